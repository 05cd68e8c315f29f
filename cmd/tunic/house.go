package main

import (
	"log/slog"

	"tunic/gateway/child"
	"tunic/gateway/feature"
	"tunic/gateway/feature/bypass"
	"tunic/gateway/feature/clock"
	"tunic/gateway/feature/entry"
	"tunic/gateway/feature/friends"
	"tunic/gateway/feature/gopher"
	"tunic/gateway/feature/household"
	"tunic/gateway/feature/irc"
	"tunic/gateway/feature/mail"
	"tunic/gateway/feature/networks"
	"tunic/gateway/feature/onions"
	"tunic/gateway/feature/people"
	"tunic/gateway/feature/servers"
	"tunic/gateway/feature/why"
	"tunic/gateway/feature/xmpp"
	"tunic/gateway/link"
	"tunic/gateway/machine"
	"tunic/gateway/managed"
	"tunic/gateway/tor"
)

// house is what the box does for its household.
type house struct {
	onions  *onions.Feature
	friends *friends.Feature
	devices devices
	bypass  *bypass.Feature
	people  people.Feature
	mail    mail.Feature
	servers servers.Feature
}

// devices answers api.Devices.
type devices struct {
	*household.Feature
	why.Explainer
}

// ways are how features reach the other parts of the daemon.
type ways struct {
	system    machine.System
	log       *slog.Logger
	tor, fast *tor.Tor
	server    *child.Process
	servers   *managed.Manager
	keysOwner feature.IDs // tor's user
}

// newHouse furnishes a house.
func newHouse(host feature.Host, w ways) house {
	paths, kernel := w.system.Paths, machine.Kernel{Kernel: w.system.Kernel}
	known := household.New(host, household.Parts{Paths: paths, Log: w.log, Kernel: kernel, System: w.system, Tor: w.tor, Server: w.server})
	return house{
		onions: onions.New(host, onions.Parts{Paths: paths, Owner: w.keysOwner, Log: w.log, Keys: ensureKeys,
			Tor: w.tor, Fast: w.fast, Server: w.server, Kernel: kernel}),
		friends: friends.New(host, friends.Parts{Paths: paths, Owner: w.keysOwner, Log: w.log, Sign: signWithKey, Tor: w.tor, Server: w.server}),
		devices: devices{known, why.Explainer{Host: host, Log: w.log, System: w.system, Finder: known}},
		bypass:  bypass.New(host, kernel),
		people:  people.New(host),
		mail:    mail.New(host, w.server),
		servers: servers.New(host, w.servers),
	}
}

// emptyHouse can be looked at, and answers nobody.
func emptyHouse() house { return newHouse(nil, ways{}) }

// Answers says who answers what serve asks.
func (h house) Answers(m *link.Mux) {
	h.friends.Answers(m)
	h.bypass.Answers(m)
	h.mail.Answers(m)
}

// features are those of the box, in the order in which they look and want.
func (h house) features() []feature.Feature {
	return []feature.Feature{
		h.onions,           // what is published, with which keys, and who finds it
		h.friends,          // other boxes, and the names of what they share
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
		h.servers,          // how the servers are that others have written
	}
}
