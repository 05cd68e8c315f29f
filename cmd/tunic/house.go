package main

import (
	"tunic/gateway/feature"
	"tunic/gateway/feature/clock"
	"tunic/gateway/feature/gopher"
	"tunic/gateway/feature/networks"
)

// house are the features of the box, in the order in which they look and want.
func house() []feature.Feature {
	return []feature.Feature{
		clock.Feature{},    // what time it is, and who is told
		networks.Feature{}, // what there is around the box, and what passes from there
		gopher.Feature{},   // pages for the household and for friends
	}
}
