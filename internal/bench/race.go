//go:build race

package bench

// underRace: the race detector takes memory for itself.
const underRace = true
