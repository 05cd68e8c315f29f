//go:build !race

package onion

const underRace = false
