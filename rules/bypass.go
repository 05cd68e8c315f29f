package rules

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Bypass is what the owner lets devices reach outside Tor.
type Bypass struct {
	Domains  []string       // reached by a Grant for each address; here only for Cuts
	Prefixes []netip.Prefix // reached as they are, masked
	MACs     []string       // of the devices; empty: every device
}

// Grant lets one device reach one address outside Tor, for as long as it is in
// the input: an address of a domain that the owner lets it reach.
type Grant struct {
	MAC string
	To  netip.Addr
}

// bypass turns connections to what the owner lets through into direct ones.
// DNS is never among them: the answers decide who is let through. The
// household, the box and virtual addresses are not outside at all. It is met
// by the first packet of a connection only, and not by blocked devices.
func (c compiler) bypass() Chain {
	chain := Chain{Name: chainBypass}
	if !c.bypasses() {
		return chain
	}
	for _, protocol := range []string{"tcp", "udp"} {
		chain.add("-p %s -m %s --dport %d -j RETURN", protocol, protocol, dnsPort)
	}
	for _, p := range slices.Concat(c.prefixes, []netip.Prefix{c.virtual()}, c.beside()) {
		chain.add("-d %v -j RETURN", p)
	}
	chain.add("-m addrtype --dst-type LOCAL -j RETURN")
	for _, b := range c.Bypasses {
		for _, p := range only(c.family, b.Prefixes) {
			if len(b.MACs) == 0 {
				c.letThrough(&chain, p, "")
			}
			for _, mac := range b.MACs {
				c.letThrough(&chain, p, " -m mac --mac-source "+mac)
			}
		}
	}
	for _, g := range c.Grants {
		if p := netip.PrefixFrom(g.To, g.To.BitLen()); g.To.Is4() == (c.family == IPv4) {
			c.letThrough(&chain, p, " -m mac --mac-source "+g.MAC)
		}
	}
	return chain
}

func (c compiler) letThrough(chain *Chain, to netip.Prefix, from string) {
	chain.add("-d %v%s -j CONNMARK --set-xmark %#x/%#x", to, from, Direct.Mark(), MarkMask)
}

// bypasses reports whether anything may be let through at all.
func (in Input) bypasses() bool { return in.Mode == Open && len(in.Bypasses) > 0 }

// sortGrants brings grants into the one order that equal inputs have.
func sortGrants(grants []Grant) []Grant {
	return slices.Compact(slices.SortedFunc(slices.Values(grants), func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.MAC, b.MAC), a.To.Compare(b.To))
	}))
}

// bypassLost reports whether a device ("": one that no list names) could reach
// something outside Tor before that after does not let it reach any more.
func bypassLost(before, after Input, mac string) bool {
	return slices.ContainsFunc(before.Bypasses, func(old Bypass) bool {
		return old.is(mac) && !slices.ContainsFunc(after.Bypasses, func(b Bypass) bool { return b.is(mac) && b.covers(old) })
	})
}

// is reports whether a bypass is for that device.
func (b Bypass) is(mac string) bool { return len(b.MACs) == 0 || slices.Contains(b.MACs, mac) }

// covers reports whether b leads wherever old did.
func (b Bypass) covers(old Bypass) bool {
	return containsAll(b.Domains, old.Domains) && containsAll(b.Prefixes, old.Prefixes)
}

func containsAll[T comparable](all, some []T) bool {
	return !slices.ContainsFunc(some, func(v T) bool { return !slices.Contains(all, v) })
}

func (in Input) validateBypasses() error {
	var errs []error
	for _, b := range in.Bypasses {
		for _, p := range b.Prefixes {
			if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() || tooWide(p) {
				errs = append(errs, fmt.Errorf("bypass %v is no network, or wider than one can be let through", p))
			}
		}
		for _, mac := range b.MACs {
			if !validMAC(mac) {
				errs = append(errs, fmt.Errorf("bypass for %q, which is not a MAC address of one host", mac))
			}
		}
	}
	for _, g := range in.Grants {
		if !validMAC(g.MAC) || !g.To.IsValid() || g.To.Is4In6() || g.To.Zone() != "" {
			errs = append(errs, fmt.Errorf("grant for %q is not one device and one address", g.MAC))
		}
	}
	return errors.Join(errs...)
}

func tooWide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < minPrefixBits4
	}
	return p.Bits() < minPrefixBits6
}
