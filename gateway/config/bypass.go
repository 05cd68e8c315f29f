package config

import (
	"net/netip"
	"slices"
	"strings"
)

// Bypass is one [[bypass]]: destinations that go outside Tor because the owner
// said so. At least one of Domains and Prefixes is not empty.
type Bypass struct {
	Domains  []string       // lower case, without a final dot; each with all names below it
	Prefixes []netip.Prefix // masked
	Devices  []string       // names of device files; empty: every device
}

// The widest prefixes that may be bypassed: more would be half of the internet.
const (
	minBypassBits4 = 8
	minBypassBits6 = 32
)

const bypassHint = `name what refuses Tor, like domains = ["bank.example"] or prefixes = ["198.51.100.0/24"]`

// bypasses reads every [[bypass]] of tunic.toml.
func (l *loader) bypasses(t *table, cfg *Config) {
	tables := t.tables("bypass")
	if len(tables) == 0 {
		return // nobody has to list a thousand devices
	}
	known := l.deviceNames()
	for _, e := range tables {
		before := len(t.doc.errs)
		b := readBypass(e, known)
		if len(t.doc.errs) == before {
			cfg.Bypasses = append(cfg.Bypasses, b)
		}
	}
}

// deviceNames returns the names of the device files, right or wrong.
func (l *loader) deviceNames() []string {
	paths, _ := listFiles(l.paths.DeviceDir(), ".toml") // mistakes are noted when the files are read
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = stem(path)
	}
	return names
}

func readBypass(t *table, known []string) Bypass {
	var b Bypass
	domains, _ := t.texts("domains", func(path, text string) {
		domain, p := parsePublicDomain(text, bypassHint)
		b.Domains = addOnce(t, path, b.Domains, domain, p)
	})
	prefixes, _ := t.texts("prefixes", func(path, text string) {
		prefix, p := parseBypassPrefix(text)
		b.Prefixes = addOnce(t, path, b.Prefixes, prefix, p)
	})
	n, given := t.texts("devices", func(path, name string) {
		var p *problem
		if !slices.Contains(known, name) {
			p = problemf(NamingHint(name), "there is no device called %q", name)
		}
		b.Devices = addOnce(t, path, b.Devices, name, p)
	})
	if given && n == 0 {
		t.add("devices", problemf("leave the line out to let every device through", "is empty: nobody would be let through"))
	}
	if domains+prefixes == 0 {
		t.missing("domains", bypassHint)
	}
	t.finish()
	return b
}

// addOnce appends v to list unless p says what is wrong with it or it is there
// already.
func addOnce[T comparable](t *table, path string, list []T, v T, p *problem) []T {
	switch {
	case p != nil:
		t.doc.add(path, p)
	case slices.Contains(list, v):
		t.doc.add(path, problemf("", "%v is named twice", v))
	default:
		list = append(list, v)
	}
	return list
}

// parsePublicDomain takes a domain outside the house.
func parsePublicDomain(text, hint string) (string, *problem) {
	domain := strings.ToLower(strings.TrimSuffix(text, "."))
	if domain == "" || !strings.Contains(strings.TrimPrefix(domain, "*."), ".") {
		return "", problemf(hint, "%q is too wide: name one site or service", text)
	}
	return checkPublicDomain(text, domain)
}

// checkPublicDomain leaves the rest to the check that forwards have: neither
// may be an onion or a friend.
func checkPublicDomain(text, domain string) (string, *problem) {
	switch {
	case strings.HasPrefix(domain, "*."):
		return "", problemf(`write "`+domain[2:]+`"`, "%q: the names below a domain are always let through with it", text)
	case isBelow(domain, "onion"):
		return "", problemf("", "an onion is only reached through Tor")
	case isBelow(domain, "home.arpa"):
		return "", problemf("", "%q belongs to the home and never leaves it", text)
	}
	return parseDomain(text)
}

func parseBypassPrefix(text string) (netip.Prefix, *problem) {
	prefix, p := parseNetwork(text)
	if a := prefix.Addr(); p == nil && (a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || !isHost(a)) {
		return netip.Prefix{}, problemf(networkHint, "%q never leaves the house", text)
	}
	return prefix, p
}

const networkHint = `write a network like "198.51.100.0/24", or one address`

// parseNetwork takes a network or one address.
func parseNetwork(text string) (netip.Prefix, *problem) {
	prefix, err := netip.ParsePrefix(text)
	if addr, addrErr := netip.ParseAddr(text); err != nil && addrErr == nil && addr.Zone() == "" {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	least := minBypassBits6
	if prefix.Addr().Is4() {
		least = minBypassBits4
	}
	switch {
	case err != nil || prefix.Addr().Is4In6():
		return netip.Prefix{}, problemf(networkHint, "%q is not a network", text)
	case prefix.Bits() < least:
		return netip.Prefix{}, problemf(networkHint, "%q is too wide: /%d is the widest", text, least)
	case prefix != prefix.Masked():
		return netip.Prefix{}, problemf("", "%q is not the beginning of its network: write %q", text, prefix.Masked())
	}
	return prefix, nil
}
