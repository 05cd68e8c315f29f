package main

import (
	"tunic/gateway/feature"
	"tunic/gateway/feature/clock"
	"tunic/gateway/feature/gopher"
	"tunic/gateway/feature/networks"
	"tunic/gateway/feature/people"
)

// house is what the box does for its household.
type house struct {
	people people.Feature
}

// newHouse furnishes a house. Without a host it can be looked at, and answers
// nobody.
func newHouse(host feature.Host) house { return house{people: people.New(host)} }

// features are those of the box, in the order in which they look and want.
func (h house) features() []feature.Feature {
	return []feature.Feature{
		clock.Feature{},    // what time it is, and who is told
		networks.Feature{}, // what there is around the box, and what passes from there
		h.people,           // who lives here, and by which certificates their devices know the box
		gopher.Feature{},   // pages for the household and for friends
	}
}
