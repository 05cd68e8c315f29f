package resolver

import (
	"github.com/miekg/dns"

	"tunic/gateway/onion"
)

// OwnName is an onion of this house. LABEL.box.home.arpa is asked of tor as
// KEY.onion, so that the house reaches its own services by a name that is as long
// as those of friends', and by the way that visitors take.
type OwnName struct {
	Label string // "photos"
	Onion onion.Address
}

func (s *state) learnOwn(names []OwnName) {
	s.own = make(map[string]onion.Address)
	for _, n := range names {
		s.own[dns.CanonicalName(n.Label+"."+boxName)] = n.Onion
	}
}

// routeOwn answers for the house's own onions and, as tor serves every name below
// KEY.onion, for all names below theirs.
func (s *state) routeOwn(name string, q dns.Question) (route, bool) {
	a, ok := zoneOf(s.own, name)
	switch {
	case !ok:
		return route{}, false
	case underscored(name):
		return answered(dns.RcodeSuccess), true
	}
	return routeOnion(a.Host()+".", q.Qtype), true
}
