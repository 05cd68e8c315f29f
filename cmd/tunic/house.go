package main

import (
	"tunic/gateway/feature"
	"tunic/gateway/feature/bypass"
	"tunic/gateway/feature/clock"
	"tunic/gateway/feature/entry"
	"tunic/gateway/feature/gopher"
	"tunic/gateway/feature/household"
	"tunic/gateway/feature/irc"
	"tunic/gateway/feature/mail"
	"tunic/gateway/feature/networks"
	"tunic/gateway/feature/people"
	"tunic/gateway/feature/why"
	"tunic/gateway/feature/xmpp"
	"tunic/gateway/link"
	"tunic/gateway/machine"
)

// house is what the box does for its household.
type house struct {
	devices devices
	bypass  *bypass.Feature
	people  people.Feature
	mail    mail.Feature
}

// devices answers api.Devices.
type devices struct {
	*household.Feature
	why.Explainer
}

// newHouse furnishes a house.
func newHouse(host feature.Host, system machine.System, p household.Parts, queue mail.Queue) house {
	kernel := machine.Kernel{Kernel: system.Kernel}
	p.Paths, p.Kernel, p.System = system.Paths, kernel, system
	known := household.New(host, p)
	return house{
		devices: devices{known, why.Explainer{Host: host, Log: p.Log, System: system, Finder: known}},
		bypass:  bypass.New(host, kernel),
		people:  people.New(host),
		mail:    mail.New(host, queue),
	}
}

// emptyHouse can be looked at, and answers nobody.
func emptyHouse() house { return newHouse(nil, machine.System{}, household.Parts{}, nil) }

// Answers says who answers what serve asks.
func (h house) Answers(m *link.Mux) {
	h.bypass.Answers(m)
	h.mail.Answers(m)
}

// features are those of the box, in the order in which they look and want.
func (h house) features() []feature.Feature {
	return []feature.Feature{
		h.devices.Feature,  // the household's devices, and what the box answers them
		entry.Feature{},    // how tor enters and leaves the network
		h.bypass,           // what devices may reach outside Tor
		clock.Feature{},    // what time it is, and who is told
		networks.Feature{}, // what there is around the box, and what passes from there
		h.people,           // who lives here, and by which certificates their devices know the box
		h.mail,             // everybody's mailbox, and the way of mail to friends
		irc.Feature{},      // chat in channels
		xmpp.New(),         // chat by the box's addresses
		gopher.Feature{},   // pages for the household and for friends
	}
}
