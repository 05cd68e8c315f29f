package resolver

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"tunic/gateway/onion"
)

// peerZone is the domain of friends and of onions in general, the same in every
// house (RFC 8375 gives home.arpa to homes). Names in it are for programs that
// refuse .onion (RFC 7686).
const peerZone = "peer.home.arpa."

// Name is an onion with a name in this house. It is reached by LABEL.peer.home.arpa,
// if there is a label, by KEY.peer.home.arpa and by KEY.onion.
type Name struct {
	Label string // "alice", "photos.alice"; "": none
	Onion onion.Address
	Addrs []netip.Addr // fixed virtual ones, of each family
	Box   bool         // it is the box itself, which has household addresses instead
}

func (n Name) equal(m Name) bool {
	return n.Label == m.Label && n.Onion == m.Onion && n.Box == m.Box && slices.Equal(n.Addrs, m.Addrs)
}

// learnNames makes the tables of names and addresses. The first name of an
// onion is the one that its address leads back to.
func (s *state) learnNames(names []Name) {
	s.names, s.reverse = make(map[string]Name), make(map[netip.Addr]string)
	for _, n := range names {
		key := string(n.Onion) + "." + peerZone
		s.names[key], s.names[n.Onion.Host()+"."] = n, n
		if n.Label != "" {
			key = dns.CanonicalName(n.Label + "." + peerZone)
			s.names[key] = n
		}
		for _, a := range n.Addrs {
			if _, has := s.reverse[a]; !has {
				s.reverse[a] = key
			}
		}
	}
}

// routeNamed answers for the onions that have names, and for the global names
// of all others. Such a name exists, so a type that it does not have gets an
// empty answer. tor serves every name below KEY.onion, so those below
// KEY.peer.home.arpa have its addresses too; below a petname are only the
// onions that the friend has granted.
func (s *state) routeNamed(client netip.Addr, name string, q dns.Question) (route, bool) {
	if a, ok := reverseAddr(name); ok && s.reverse[a] != "" {
		return answered(dns.RcodeSuccess, pointerRRs(q, s.reverse[a])...), true
	}
	n, known := zoneOf(s.names, name)
	switch {
	case known && (s.exact(name) || below(name, n.Onion)) && !underscored(name):
		return answered(dns.RcodeSuccess, s.addresses(client, n, q)...), true
	case known || name == peerZone:
		return answered(dns.RcodeSuccess), true
	case !inZone(name, peerZone):
		return route{}, false
	}
	return routeGlobal(name, q.Qtype), true
}

// exact reports whether the name is one that was learned.
func (s *state) exact(name string) bool {
	_, ok := s.names[name]
	return ok
}

// below reports whether a name lies below one of the onion's names with KEY.
func below(name string, a onion.Address) bool {
	return inZone(name, string(a)+"."+peerZone) || inZone(name, a.Host()+".")
}

// underscored reports whether a label begins with an underscore: such names
// are for records about services, and have no addresses (RFC 8552).
func underscored(name string) bool {
	return strings.HasPrefix(name, "_") || strings.Contains(name, "._")
}

func (s *state) addresses(client netip.Addr, n Name, q dns.Question) []dns.RR {
	if n.Box {
		return addressRRs(q, s.box(client, true), s.box(client, false))
	}
	var v4, v6 []netip.Addr
	for _, a := range n.Addrs {
		if a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	return addressRRs(q, v4, v6)
}

// routeGlobal sends KEY.peer.home.arpa to tor as KEY.onion, if that can exist.
func routeGlobal(name string, qtype uint16) route {
	host := globalOnion(name)
	switch {
	case host == "":
		return answered(dns.RcodeNameError) // nobody is called that
	case underscored(name):
		return answered(dns.RcodeSuccess)
	}
	return routeOnion(host+".", qtype)
}

// globalOnion returns "KEY.onion" for KEY.peer.home.arpa and names below it,
// "" for others.
func globalOnion(name string) string {
	labels, ok := strings.CutSuffix(name, "."+peerZone)
	if !ok || !hostName(name) {
		return ""
	}
	a, err := onion.Parse(labels[strings.LastIndexByte(labels, '.')+1:])
	if err != nil {
		return ""
	}
	return a.Host()
}

// OnionName returns the onion, "KEY.onion", that a name in peer.home.arpa or of one
// of the house's own onions stands for, and "" for the box's own and all other names.
func (r *Resolver) OnionName(name string) string {
	if _, ok := dns.IsDomainName(name); !ok {
		return ""
	}
	name = dns.CanonicalName(name)
	if underscored(name) {
		return ""
	}
	s := r.state.Load()
	if a, ok := zoneOf(s.own, name); ok {
		return a.Host()
	}
	if !inZone(name, peerZone) {
		return ""
	}
	n, known := zoneOf(s.names, name)
	switch {
	case known && n.Box:
		return ""
	case known && (s.exact(name) || below(name, n.Onion)):
		return n.Onion.Host()
	case known:
		return ""
	}
	return globalOnion(name)
}
