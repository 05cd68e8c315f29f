package socks

import (
	"net/netip"
	"strings"

	"github.com/things-go/go-socks5/statute"
)

// destination is where a device wants to go: an address or a host name.
type destination struct {
	addr netip.Addr // the zero Addr if it is a name
	host string     // as the device wrote it
	port uint16
}

// destinationOf reads the target of a request. Many clients send an address
// as a name; it is treated as the address that it is. An empty name and bytes
// that no name has are no destination.
func destinationOf(a statute.AddrSpec) (destination, bool) {
	to := destination{port: uint16(a.Port)}
	if a.FQDN == "" {
		addr, ok := netip.AddrFromSlice(a.IP)
		to.addr = addr.Unmap()
		return to, ok
	}
	host := strings.TrimSuffix(a.FQDN, ".") // an absolute name is the same name (RFC 1034, section 3.1)
	literal := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if addr, err := netip.ParseAddr(literal); err == nil {
		to.addr = addr.Unmap()
		return to, addr.Zone() == ""
	}
	to.host = host
	return to, host != "" && printable(host)
}

// printable keeps control characters, spaces and NUL away from tor.
func printable(host string) bool {
	for i := range len(host) {
		if host[i] <= ' ' || host[i] >= 0x7f {
			return false
		}
	}
	return true
}

// isHome reports whether the destination lies in the house. An onion address
// that cannot exist counts as a name that only the house could know.
func (d destination) isHome(home Household) bool {
	if d.addr.IsValid() {
		return home.HomeAddr(d.addr)
	}
	return home.HomeName(d.host)
}
