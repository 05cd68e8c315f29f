package feature

import (
	"net/netip"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Scene is what the box is like in one pass: a plain value.
type Scene struct {
	Mode         rules.Mode
	Lockdown     bool           // it was asked for
	Foreseen     bool           // it is of a plan: nothing is written for it
	Config       *config.Config // with what is in force for a while
	Written      *config.Config // as it is in the files
	Paths        config.Paths
	Facts        Facts
	Surroundings Surroundings
	Group        uint32 // of the household's interfaces; 0: none
	Buckets      bool   // rules can find a device without a look at all
	ChildIDs
	Ranges    Ranges
	Local     []netip.Prefix             // of the box's interfaces and routes
	Addresses map[string]onion.Address   // of the onions whose keys are there
	Former    map[string][]onion.Address // that onions had, and that still lead to them
	TorNow    tor.Status                 // as tor was at the beginning of the pass
	Certain   time.Time                  // zero: the time is not known well enough to sign anything, or nothing is written

	Served link.Status // what serve says, in a status
	Brief  bool        // nobody reads more of the status than its findings

	// What features that have looked know for those that look after them.
	Users     []account.User
	Own       []onion.Address                       // every address of this box that is known
	Authority *ca.Authority                         // nil: it cannot be used
	Hosts     map[string][]netip.Addr               // devices that onions lead to, by name
	Heard     map[onion.Address]time.Time           // when friends' boxes said hello last
	Offered   map[onion.Address][]link.ServiceOffer // services of friends' boxes for this one
}

// ToBeMade stands in a scene that is foreseen for what a pass makes.
const ToBeMade = "made at the reload"

// Home is the address of the box's own onion, if it has keys. Where nobody has
// looked for keys yet a scene that is foreseen has a stand-in for it.
func (s Scene) Home() (address onion.Address, ok bool) {
	if s.Foreseen && s.Addresses == nil {
		return ToBeMade, true
	}
	address, ok = s.Addresses[config.HomeOnion]
	return address, ok
}

// Domain is that of the box's addresses for mail and chat, if there is one.
func (s Scene) Domain() (domain string, ok bool) {
	home, ok := s.Home()
	return string(home) + config.PeerDomain, ok
}

// Onions are the configured onions that have keys and are published, with the
// endpoints' ports added to home, which exists without a file too.
func (s Scene) Onions() []config.Onion {
	var list []config.Onion
	for _, o := range s.Config.AllOnions() {
		if _, ok := s.Addresses[o.Name]; ok && s.Config.Published(o) {
			list = append(list, o)
		}
	}
	return list
}
