//go:build !race

package socks

const underRace = false
