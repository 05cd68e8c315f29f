package main

import (
	"tunic/gateway/feature"
	"tunic/gateway/feature/bypass"
	"tunic/gateway/feature/clock"
	"tunic/gateway/feature/entry"
	"tunic/gateway/feature/gopher"
	"tunic/gateway/feature/networks"
	"tunic/gateway/feature/people"
	"tunic/gateway/link"
)

// house is what the box does for its household.
type house struct {
	bypass *bypass.Feature
	people people.Feature
}

// newHouse furnishes a house. Without a host it can be looked at, and answers
// nobody.
func newHouse(host feature.Host, kernel bypass.Neighbours) house {
	return house{
		bypass: bypass.New(host, kernel),
		people: people.New(host),
	}
}

// Answers says who answers what serve asks.
func (h house) Answers(m *link.Mux) { h.bypass.Answers(m) }

// features are those of the box, in the order in which they look and want.
func (h house) features() []feature.Feature {
	return []feature.Feature{
		entry.Feature{},    // how tor enters and leaves the network
		h.bypass,           // what devices may reach outside Tor
		clock.Feature{},    // what time it is, and who is told
		networks.Feature{}, // what there is around the box, and what passes from there
		h.people,           // who lives here, and by which certificates their devices know the box
		gopher.Feature{},   // pages for the household and for friends
	}
}
