package main

import (
	"tunic/gateway/feature"
	"tunic/gateway/feature/clock"
)

// house are the features of the box, in the order in which they look and want.
func house() []feature.Feature {
	return []feature.Feature{
		clock.Feature{}, // what time it is, and who is told
	}
}
