package feature

import (
	"net/netip"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Scene is what the box is like in one pass: a plain value.
type Scene struct {
	Mode     rules.Mode
	Lockdown bool           // it was asked for
	Foreseen bool           // it is of a plan: nothing is written for it
	Config   *config.Config // with what is in force for a while
	Paths    config.Paths
	Facts    Facts
	Around   Around
	Group    uint32 // of the household's interfaces; 0: none
	ChildIDs
	Ranges    Ranges
	Addresses map[string]onion.Address   // of the onions whose keys are there
	Former    map[string][]onion.Address // that onions had, and that still lead to them
	TorNow    tor.Status                 // as tor was at the beginning of the pass
	Certain   time.Time                  // zero: the time is not known well enough to sign anything, or nothing is written

	// What features that have looked know for those that look after them.
	Users     []account.User
	Authority *ca.Authority            // nil: it cannot be used
	Hosts     map[string][]netip.Addr  // devices that onions lead to, by name
	Came      map[onion.Address]string // changes when that friend's box has come back
}
