package feature

import (
	"tunic/gateway/config"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Scene is what the box is like in one pass: a plain value.
type Scene struct {
	Mode     rules.Mode
	Foreseen bool           // it is of a plan: nothing is written for it
	Config   *config.Config // with what is in force for a while
	Paths    config.Paths
	Facts    Facts
	Around   Around
	Group    uint32 // of the household's interfaces; 0: none
	ChildIDs
	Ranges    Ranges
	Addresses map[string]onion.Address // of the onions whose keys are there
	TorNow    tor.Status               // as tor was at the beginning of the pass
}
