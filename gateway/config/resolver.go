package config

import (
	"net/netip"
	"strings"
)

// Resolver is the server that [dns] resolver names: all record types are
// asked of it by DNS over TLS (RFC 7858), through Tor. The zero value means
// tor's own DNSPort.
type Resolver struct {
	Server netip.AddrPort
	Name   string // the name in its certificate; "": the certificate names the address
}

const (
	tlsPrefix = "tls://"
	tlsPort   = 853 // RFC 7858, section 3.1
)

// String is the form that the file uses: "tls://9.9.9.9:853#dns.quad9.net".
func (r Resolver) String() string {
	if !r.Server.IsValid() {
		return ""
	}
	text := tlsPrefix + r.Server.String()
	if r.Name != "" {
		text += "#" + r.Name
	}
	return text
}

// readResolver reports whether one is named.
func readResolver(t *table, r *Resolver) bool {
	text, ok := t.text("resolver")
	if !ok || text == "" {
		return false
	}
	var p *problem
	if *r, p = parseResolver(text); p != nil {
		t.add("resolver", p)
	}
	return true
}

// parseResolver takes tls://ADDRESS[:PORT][#NAME], with brackets around IPv6.
func parseResolver(text string) (Resolver, *problem) {
	const hint = `write "tls://ADDRESS", with #NAME if its certificate has a name and not the address, like "tls://9.9.9.9#dns.quad9.net"`
	rest, ok := strings.CutPrefix(text, tlsPrefix)
	if !ok {
		return Resolver{}, problemf(hint, "%q does not begin with %s: an exit could read and change what is asked in clear",
			text, tlsPrefix)
	}
	address, name, named := strings.Cut(rest, "#")
	server, err := netip.ParseAddrPort(address)
	if err != nil {
		addr, addrErr := netip.ParseAddr(strings.Trim(address, "[]"))
		if addrErr != nil {
			return Resolver{}, problemf(hint, "%q is not the address of a server", address)
		}
		server = netip.AddrPortFrom(addr, tlsPort)
	}
	r := Resolver{Server: netip.AddrPortFrom(server.Addr().Unmap(), server.Port())}
	switch addr := r.Server.Addr(); {
	case server.Port() == 0:
		return Resolver{}, problemf(hint, "0 is no port")
	case addr.Zone() != "", !isHost(addr), addr.IsLoopback(), addr.IsPrivate(), addr.IsLinkLocalUnicast():
		return Resolver{}, problemf(hint, "%s is not on the internet: an exit could not reach it", addr)
	}
	if named {
		domain, p := parseDomain(name)
		if name == "" {
			p = problemf(hint, "there is no name after the #")
		}
		if p != nil {
			return Resolver{}, p
		}
		r.Name = domain
	}
	return r, nil
}
