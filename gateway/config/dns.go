package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxDomain and maxLabel are from RFC 1035 section 2.3.4, in bytes; the domain
// is without the final dot.
const (
	maxDomain = 253
	maxLabel  = 63
)

const dnsPort = 53

// ownNames is the domain that tunic itself answers for: friends and the box.
const ownNames = "peer.home.arpa"

func readDNS(t *table, d *DNS, own OwnTraffic) {
	readUpstream(t, d, own)
	readPrivate(t, d, readResolver(t, &d.Resolver) || t.has("upstream"))
	readBlock(t, d)
	var first []*table // where each of d.Forward stands
	for _, e := range t.tables("forward") {
		f, ok := readForward(e)
		if !ok {
			continue
		}
		same := slices.IndexFunc(d.Forward, func(o Forward) bool { return o.Domain == f.Domain })
		if same >= 0 {
			e.add("domain", problemf("", "%q is forwarded already, in line %d", f.Domain, t.doc.at[first[same].at("domain")].line))
			continue
		}
		d.Forward, first = append(d.Forward, f), append(first, e)
	}
	t.finish()
}

// readPrivate wants a resolver or a filter too: tor believes no exit that tells a
// private address (ClientDNSRejectInternalAddresses, which cannot be changed).
func readPrivate(t *table, d *DNS, resolver bool) {
	n, _ := t.texts("private-answers", func(path, text string) {
		domain, p := parsePublicDomain(text, `name what has private addresses, like "plex.direct"`)
		d.Private = addOnce(t, path, d.Private, domain, p)
	})
	if n > 0 && !resolver {
		t.add("private-answers",
			problemf(`add a server that tells them, like resolver = "tls://9.9.9.9"`, "Tor's own resolver never tells private addresses"))
	}
}

func readForward(t *table) (f Forward, ok bool) {
	before := len(t.doc.errs)
	domain, hasDomain := t.text("domain")
	server, hasServer := t.text("server")
	if !t.has("domain") {
		t.missing("domain", `name the domain that stays at home, like domain = "lan"`)
	}
	if !t.has("server") {
		t.missing("server", `name the DNS server to ask, like server = "192.168.1.1"`)
	}
	var p *problem
	if hasDomain {
		if f.Domain, p = parseDomain(domain); p != nil {
			t.add("domain", p)
		}
	}
	if hasServer {
		if f.Server, p = parseServer(server); p != nil {
			t.add("server", p)
		}
	}
	t.finish()
	return f, len(t.doc.errs) == before
}

// parseDomain returns the domain in lower case without a final dot.
func parseDomain(text string) (string, *problem) {
	domain := strings.ToLower(strings.TrimSuffix(text, "."))
	if _, rest, isURL := strings.Cut(domain, "://"); isURL {
		host, _, _ := strings.Cut(rest, "/")
		return "", problemf(fmt.Sprintf("write the name alone: %q", host), "%q is a URL", text)
	}
	switch {
	case domain == "":
		return "", problemf("name a domain of your home, like \"lan\"", "the root would send every name past Tor")
	case strings.HasPrefix(domain, "."), strings.HasPrefix(domain, "*."):
		return "", problemf(fmt.Sprintf("write %q", strings.TrimLeft(domain, "*.")),
			"%q: the names below a domain are always forwarded with it", text)
	case len(domain) > maxDomain:
		return "", problemf("", "longer than the %d bytes that DNS allows", maxDomain)
	case isBelow(domain, "onion"):
		return "", problemf("", "onion names are never asked of a DNS server: it would learn them")
	case isBelow(domain, ownNames):
		return "", problemf("", "tunic itself answers for the names below %s", ownNames)
	}
	for label := range strings.SplitSeq(domain, ".") {
		if p := checkLabel(label); p != nil {
			return "", p
		}
	}
	return domain, nil
}

func isBelow(domain, suffix string) bool {
	return domain == suffix || strings.HasSuffix(domain, "."+suffix)
}

// checkLabel takes letters, digits, hyphens, and underscores, which names of
// services have (RFC 2782).
func checkLabel(label string) *problem {
	switch {
	case label == "":
		return problemf("", "two dots in a row")
	case len(label) > maxLabel:
		return problemf("", "the part %q is longer than %d bytes", label, maxLabel)
	case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return problemf("only letters, digits and hyphens; other letters in their xn-- form", "%q is not a part of a DNS name", label)
	case strings.HasPrefix(label, "-"), strings.HasSuffix(label, "-"):
		return problemf("", "%q: a hyphen at the edge of a part", label)
	}
	return nil
}

// parseServer takes ADDRESS or ADDRESS:PORT, with brackets around IPv6.
func parseServer(text string) (netip.AddrPort, *problem) {
	const hint = `write an IP address, with :PORT if it is not 53, like "192.168.1.1"`
	server, err := netip.ParseAddrPort(text)
	if err != nil {
		addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if err != nil {
			return netip.AddrPort{}, problemf(hint, "%q is not the address of a DNS server", text)
		}
		server = netip.AddrPortFrom(addr, dnsPort)
	}
	server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
	switch addr := server.Addr(); {
	case server.Port() == 0:
		return netip.AddrPort{}, problemf(hint, "0 is no port")
	case !isHost(addr):
		return netip.AddrPort{}, problemf(hint, "%s is not the address of one host", addr)
	case addr.IsLoopback() && slices.Contains(internalPorts(), server.Port()):
		return netip.AddrPort{}, problemf(hint, "%s is tunic's own: the question would come back to it", server)
	}
	return server, nil
}

// isHost reports whether addr can be the address of one host.
func isHost(addr netip.Addr) bool {
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	thisNet := netip.PrefixFrom(netip.IPv4Unspecified(), 8) // RFC 1122 section 3.2.1.3
	return !addr.IsUnspecified() && !addr.IsMulticast() && addr != broadcast && !thisNet.Contains(addr)
}
