//go:build race

package onion

// underRace: the race detector takes memory for itself.
const underRace = true
