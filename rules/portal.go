package rules

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Portal is the mark of connections to the log-in page of the network that the
// box itself is a guest of. It is no device's policy.
const Portal Policy = 5

// Guest is a device that may reach such a page, in both modes: as long as the
// network lets nobody in before somebody has logged in, the household is
// closed. It reaches TCP ports 80 and 443, because such networks answer for
// any address, and the network's own DNS server. Everything else of it goes as
// its policy says.
type Guest struct {
	MAC       string
	To        []netip.Prefix // the only destinations, masked; empty: all outside the household
	Resolvers []netip.Addr   // its questions go there, whatever server they are for; one of a family at most
}

// portalPorts are those of web pages.
var portalPorts = [...]uint16{80, 443}

// portal marks the connections of guests. A blocked device stays blocked.
// Without a resolver of the family its questions go where they always go.
func (c compiler) portal(chain *Chain) {
	for _, g := range c.Guests {
		mark := func(protocol string, to string, port uint16) {
			chain.add("%s-p %s -m mac --mac-source %s -m %s --dport %d -m connmark ! --mark %#x/%#x -j CONNMARK --set-xmark %#x/%#x",
				to, protocol, g.MAC, protocol, port, Block.Mark(), MarkMask, Portal.Mark(), MarkMask)
		}
		for _, to := range c.pages(g) {
			for _, port := range portalPorts {
				mark("tcp", to, port)
			}
		}
		if c.resolver(g).IsValid() {
			mark("udp", "", dnsPort)
			mark("tcp", "", dnsPort)
		}
	}
}

// pages returns a match for each destination of a guest in this family.
func (c compiler) pages(g Guest) []string {
	if len(g.To) == 0 {
		return []string{""}
	}
	var matches []string
	for _, p := range only(c.family, g.To) {
		matches = append(matches, fmt.Sprintf("-d %v ", p))
	}
	return matches
}

// resolver returns the guest's server of this family, invalid if there is none.
func (c compiler) resolver(g Guest) netip.Addr {
	for _, a := range g.Resolvers {
		if a.Is4() == (c.family == IPv4) {
			return a
		}
	}
	return netip.Addr{}
}

// portalDNS leads a guest's questions to the network's own server.
func (c compiler) portalDNS(chain *Chain) {
	for _, g := range c.Guests {
		to := c.resolver(g)
		if !to.IsValid() {
			continue
		}
		for _, protocol := range []string{"udp", "tcp"} {
			chain.add("-p %s -m mac --mac-source %s -m %s --dport %d %s -j DNAT --to-destination %v",
				protocol, g.MAC, protocol, dnsPort, marked(Portal), netip.AddrPortFrom(to, dnsPort))
		}
	}
}

// portalClosed lets guests out of a household that is closed; no further than
// that: not to other devices and not to virtual addresses.
func (c compiler) portalClosed(chain *Chain) {
	if c.open() || len(c.Guests) == 0 {
		return
	}
	chain.add("%s -j %s", midStream, chainRefuse)
	for _, p := range c.prefixes {
		chain.add("-d %v -j %s", p, chainRefuse)
	}
	if v := c.virtual(); v.IsValid() {
		chain.add("-d %v -j %s", v, chainRefuse)
	}
	c.eachBeside(chain, "-d %v -j "+chainRefuse)
	chain.add("%s -j RETURN", marked(Portal))
}

// portalLost reports whether a device could reach a page before that it may
// not reach any more.
func portalLost(before, after Input, mac string) bool {
	return slices.ContainsFunc(before.Guests, func(old Guest) bool {
		return old.MAC == mac && !slices.ContainsFunc(after.Guests, func(g Guest) bool {
			return g.MAC == old.MAC && slices.Equal(g.Resolvers, old.Resolvers) &&
				(len(g.To) == 0 || len(old.To) > 0 && containsAll(g.To, old.To))
		})
	})
}

func sortGuests(guests []Guest) []Guest {
	return slices.SortedFunc(slices.Values(guests), func(a, b Guest) int { return cmp.Compare(a.MAC, b.MAC) })
}

func (in Input) validateGuests() error {
	var errs []error
	seen := make(map[string]bool)
	for _, g := range in.Guests {
		if !validMAC(g.MAC) || seen[g.MAC] {
			errs = append(errs, fmt.Errorf("portal for %q, which is not the MAC address of one host, or is there twice", g.MAC))
		}
		seen[g.MAC] = true
		for _, p := range g.To {
			if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
				errs = append(errs, fmt.Errorf("portal at %v, which is no network", p))
			}
		}
		families := make(map[bool]bool)
		for _, a := range g.Resolvers {
			if !a.IsValid() || a.Is4In6() || a.Zone() != "" || a.IsLoopback() || a.IsUnspecified() || families[a.Is4()] {
				errs = append(errs, fmt.Errorf("portal with the DNS server %v, which cannot be reached or is a second one", a))
			}
			families[a.Is4()] = true
		}
	}
	return errors.Join(errs...)
}
