package lab

import (
	"fmt"
	"net/netip"
	"path/filepath"

	"tunic/internal/lab/internet"
)

// EchoPort is the port of the internet's UDP echo server (RFC 862), NASPort
// the one of the nas's web server, and NASEchoPort of its TCP echo server.
const (
	EchoPort    uint16 = 7
	NASPort     uint16 = 8080
	NASEchoPort uint16 = 2222
)

// InternetAddrs are the addresses at which the internet node serves.
type InternetAddrs struct {
	Web  []netip.AddrPort // HTTP
	DNS  []netip.AddrPort // UDP and TCP
	Echo []netip.AddrPort // UDP
	TLS  []netip.AddrPort // DNS over TLS
}

// InternetListeners returns where the internet's servers listen.
func InternetListeners() InternetAddrs {
	var a InternetAddrs
	for _, addr := range webAddrs {
		a.Web = append(a.Web, netip.AddrPortFrom(addr, 80))
		a.Echo = append(a.Echo, netip.AddrPortFrom(addr, EchoPort))
	}
	for _, addr := range append(append([]netip.Addr(nil), dnsAddrs...), publicDNS...) {
		a.DNS = append(a.DNS, netip.AddrPortFrom(addr, 53))
		a.TLS = append(a.TLS, netip.AddrPortFrom(addr, 853))
	}
	return a
}

// CertificateFile has the certificate of the internet's DNS over TLS servers.
// The daemons of a lab trust it in place of the machine's certificates.
func (l *Lab) CertificateFile() string { return filepath.Join(l.dir, "resolver.pem") }

// Names returns what the lab's DNS server knows: the web server, the same with
// one family only, a name that points into a household, and those that Debian's
// NTP clients ask for, where nobody tells the time.
func Names() internet.Names {
	names := internet.Names{
		"web.example.":    webAddrs,
		"www.example.":    webAddrs,
		"bank.example.":   webAddrs,
		"v4.example.":     webAddrs[:1],
		"v6.example.":     webAddrs[1:],
		"rebind.example.": {netip.MustParseAddr("192.168.77.20"), netip.MustParseAddr("fd77::20")},
	}
	for i := range 4 {
		names[fmt.Sprintf("%d.debian.pool.ntp.org.", i)] = webAddrs
	}
	return names
}

// Queries returns all questions that the lab's DNS server has got.
func (l *Lab) Queries() ([]internet.Query, error) { return internet.ReadQueries(l.QueryLog()) }
