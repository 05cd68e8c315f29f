package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Network is a network beside Tor whose names have virtual addresses of their own
// ("http://example.i2p/"). What devices send there is served on the box and goes on by
// the network; nothing to or from such an address leaves, in any mode. The box's own
// programs have no way there.
type Network struct {
	Range netip.Prefix // of IPv4, apart from the household's prefixes and the other virtual ranges
	Port  uint16       // where serve accepts all TCP for the range; 0: nobody is led there, as in lockdown
}

// beside are the ranges of the networks beside Tor that the family has.
func (c compiler) beside() (list []netip.Prefix) {
	for _, n := range c.Networks {
		if n.Range.Addr().Is4() == (c.family == IPv4) {
			list = append(list, n.Range)
		}
	}
	return list
}

// eachBeside adds a rule for each of these ranges, which is the first argument.
func (c compiler) eachBeside(chain *Chain, rule string) {
	for _, p := range c.beside() {
		chain.add(rule, p)
	}
}

// lanBeside leads devices to the networks beside Tor, whatever their policy lets them do
// outside; what they send there that is no TCP is refused. TUNIC-FULL does not count
// these connections: they are not tor's.
func (c compiler) lanBeside(chain *Chain) {
	for _, n := range c.Networks {
		if n.Range.Addr().Is4() != (c.family == IPv4) {
			continue
		}
		if n.Port != 0 {
			chain.add("-d %v -p tcp -j REDIRECT --to-ports %d", n.Range, n.Port)
		}
		chain.add("-d %v -g %s", n.Range, chainSink)
	}
}

// validateNetworks checks that each range is one that devices can be told, and is
// nobody else's.
func (in Input) validateNetworks() error {
	var errs []error
	taken := slices.DeleteFunc(slices.Concat(in.Prefixes, []netip.Prefix{in.Virtual4}), func(p netip.Prefix) bool { return !p.IsValid() })
	for _, n := range in.Networks {
		r := n.Range
		if !r.IsValid() || !r.Addr().Is4() || r != r.Masked() || r.Bits() < minPrefixBits4 || r.Addr().IsLoopback() ||
			r.Addr().IsLinkLocalUnicast() || r.Addr().IsMulticast() {
			errs = append(errs, fmt.Errorf("the range %v of a network beside Tor is no IPv4 network that reaches the box", r))
			continue
		}
		if i := slices.IndexFunc(taken, r.Overlaps); i >= 0 {
			errs = append(errs, fmt.Errorf("the range %v of a network beside Tor overlaps %v: choose another", r, taken[i]))
		}
		if n.Port != 0 && in.portTaken(n.Port) {
			errs = append(errs, fmt.Errorf("the port %d of a network beside Tor is taken", n.Port))
		}
		taken = append(taken, r)
	}
	return errors.Join(errs...)
}

// portTaken reports whether a port is one of tor's, of a service, or of two networks.
func (in Input) portTaken(port uint16) bool {
	n := 0
	for _, w := range in.Networks {
		if w.Port == port {
			n++
		}
	}
	return n > 1 || port == in.NTPPort || port == in.OwnDNS || port == in.OwnTime ||
		slices.ContainsFunc(in.Carriers, func(k Carrier) bool { return slices.Contains(k.ports(), port) }) ||
		slices.ContainsFunc(in.Services, func(s Service) bool { return s.Internal == port })
}
