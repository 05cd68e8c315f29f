package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Child is a process of the box that speaks with strangers or devices, by its
// user. Whoever takes it over dials what it needs to dial and nothing else: no
// other program on loopback, no host of the household, and nobody outside, in
// every mode and whatever the box's own traffic may do.
type Child struct {
	UID uint32
	May []Way
}

// Way is a port that a child may dial, on the box or in the household. What lies
// beyond both is refused all the same.
type Way struct {
	Protocol uint8      // of IP: ProtocolTCP or ProtocolUDP
	To       netip.Addr // zero: any address of the box and the household, for a target that has a name
	Port     uint16
}

// children has what the children send judged by their chain, before anything
// that the box itself may do.
func (c compiler) children(chain *Chain) {
	for _, child := range c.Children {
		chain.add("-m owner --uid-owner %d -j %s", child.UID, chainChild)
	}
}

// child lets pass what a child may dial, and what it answers. A name is not
// asked for by a child: the resolver is one of them, and its way to tor is named.
func (c compiler) child() Chain {
	chain := Chain{Name: chainChild}
	chain.add("%s --ctdir REPLY -j RETURN", established)
	for _, child := range c.Children {
		for _, w := range child.May {
			c.way(&chain, child.UID, w)
		}
	}
	chain.add("-j %s", chainRefuse)
	return chain
}

// astray refuses what a child sends to a host of the household that the box looks
// for elsewhere, as when the interface has no address: it would leave, with
// own-traffic = direct.
func (c compiler) astray(chain *Chain) {
	for _, child := range c.Children {
		if slices.ContainsFunc(child.May, func(w Way) bool { return !w.To.IsLoopback() }) {
			chain.add("-m owner --uid-owner %d -j %s", child.UID, chainRefuse)
		}
	}
}

// carriersDNS keeps each DNSPort for the child that asks it: a datagram that is no
// question ends tor (libevent 2.1.12, evdns, github.com/libevent/libevent/issues/1231).
func (c compiler) carriersDNS(chain *Chain) {
	for _, k := range c.Carriers {
		if k.DNSPort == 0 {
			continue
		}
		for _, child := range c.Children {
			if slices.ContainsFunc(child.May,
				func(w Way) bool { return c.reaches(w) && w.Protocol == ProtocolUDP && w.Port == k.DNSPort }) {
				chain.add("-o lo -p udp -m udp --dport %d -m owner --uid-owner %d -j RETURN", k.DNSPort, child.UID)
			}
		}
		chain.add("-o lo -p udp -m udp --dport %d -j %s", k.DNSPort, chainRefuse)
	}
}

func (c compiler) way(chain *Chain, uid uint32, w Way) {
	protocol := "tcp"
	if w.Protocol == ProtocolUDP {
		protocol = "udp"
	}
	match := fmt.Sprintf("-p %s -m %s --dport %d -m owner --uid-owner %d -j RETURN", protocol, protocol, w.Port, uid)
	switch {
	case !w.To.IsValid():
		chain.add("-o lo %s", match)
		for _, p := range c.prefixes {
			chain.add("-d %v %s", p, match)
		}
	case c.reaches(w):
		chain.add("-d %v %s", netip.PrefixFrom(w.To, w.To.BitLen()), match)
	}
}

// reaches says whether a way leads to an address of the family.
func (c compiler) reaches(w Way) bool { return !w.To.IsValid() || w.To.Is4() == (c.family == IPv4) }

func (in Input) validateChildren() error {
	for _, child := range in.Children {
		for _, w := range child.May {
			if w.Port == 0 || w.Protocol != ProtocolTCP && w.Protocol != ProtocolUDP || w.To.Is4In6() {
				return fmt.Errorf("the user %d cannot dial protocol %d, port %d, at %v", child.UID, w.Protocol, w.Port, w.To)
			}
		}
	}
	return nil
}

// sortChildren leaves one of each user's, which may what all of them may.
func sortChildren(children []Child) (list []Child) {
	for _, child := range slices.SortedStableFunc(slices.Values(children), func(a, b Child) int { return cmp.Compare(a.UID, b.UID) }) {
		if n := len(list); n > 0 && list[n-1].UID == child.UID {
			list[n-1].May = slices.Concat(list[n-1].May, child.May)
		} else {
			list = append(list, child)
		}
	}
	for i := range list {
		list[i].May = slices.Compact(slices.SortedFunc(slices.Values(list[i].May), func(a, b Way) int {
			return cmp.Or(a.To.Compare(b.To), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
		}))
	}
	return list
}
