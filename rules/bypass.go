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
	Domains  []string       // reached by a Grant for each address; here only for Cut
	Prefixes []netip.Prefix // reached as they are, masked
	MACs     []string       // of the devices; empty: every device
}

// Grant lets one device reach one address outside Tor, for as long as it is in
// the input: an address of a domain that the owner lets it reach.
type Grant struct {
	MAC string
	To  netip.Addr
}

// ChainBypass is the chain that changes with the grants, alone and often.
const ChainBypass = ChainPrefix + "BYPASS"

// bypass turns connections to what the owner lets through into direct ones.
// DNS is never among them: the answers decide who is let through. The
// household, the box and virtual addresses are not outside at all. It is met
// by the first packet of a connection only, and not by blocked devices.
func (c compiler) bypass() Chain {
	chain := Chain{Name: ChainBypass}
	if !c.bypasses() {
		return chain
	}
	for _, protocol := range []string{"tcp", "udp"} {
		chain.add("-p %s -m %s --dport %d -j RETURN", protocol, protocol, dnsPort)
	}
	for _, p := range append(slices.Clone(c.prefixes), c.virtual()) {
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

// bypassLost reports whether somebody could reach something outside Tor before
// that after does not let through any more.
func bypassLost(before, after Input) bool {
	return slices.ContainsFunc(before.Bypasses, func(old Bypass) bool {
		return !slices.ContainsFunc(after.Bypasses, func(b Bypass) bool { return b.covers(old) })
	})
}

// covers reports whether b lets through everything that old did.
func (b Bypass) covers(old Bypass) bool {
	return containsAll(b.Domains, old.Domains) && containsAll(b.Prefixes, old.Prefixes) &&
		(len(b.MACs) == 0 || len(old.MACs) > 0 && containsAll(b.MACs, old.MACs))
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

// SameBut reports whether two rulesets differ in no other chain than this one.
func SameBut(chain string, a, b Ruleset) bool {
	return slices.EqualFunc(a.Tables, b.Tables, func(x, y Table) bool {
		return x.Family == y.Family && x.Name == y.Name && slices.EqualFunc(x.Chains, y.Chains, func(c, d Chain) bool {
			return c.Name == d.Name && (c.Name == chain || c.equal(d))
		})
	})
}
