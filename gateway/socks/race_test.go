//go:build race

package socks

// underRace: the race detector takes memory for itself.
const underRace = true
