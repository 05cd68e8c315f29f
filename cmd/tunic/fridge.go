package main

import (
	"fmt"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
)

// namedOutside is how many devices that do not go through Tor are named; more
// are counted.
const namedOutside = 3

// stateWords are for somebody who wants to know one thing: is the house
// protected, and who is outside Tor?
func stateWords(s api.Status) string {
	if s.State != api.Open {
		return "off line: nothing leaves the house: " + strings.TrimSpace(s.Why)
	}
	words := "protected: " + strings.Join(routes(s.Household.Devices), ", ")
	switch warnings := warningsOf(s.Findings); {
	case !s.Ready:
		words += "; not everything works yet: " + strings.TrimSpace(s.Why)
	case warnings == 1:
		words += "; there is a warning below"
	case warnings > 1:
		words += fmt.Sprintf("; there are %d warnings below", warnings)
	}
	return words
}

func warningsOf(list []health.Finding) (n int) {
	for _, f := range list {
		if f.Severity != health.Info {
			n++
		}
	}
	return n
}

// routes say how many devices go through Tor, and which do not. A device that is
// away counts only where it would not go through Tor.
func routes(list []api.Device) (words []string) {
	inside := 0
	var direct, blocked []api.Device
	for _, d := range list {
		switch config.Policy(d.Policy) {
		case config.PolicyTor:
			if d.Seen {
				inside++
			}
		case config.PolicyBlock:
			blocked = append(blocked, d)
		default: // direct, and onion, which sends all but names past Tor
			direct = append(direct, d)
		}
	}
	words = append(words, count(inside, "device", "devices")+" through Tor")
	words = append(words, outside(direct, "direct, outside Tor")...)
	return append(words, outside(blocked, "blocked")...)
}

// outside names some devices, or counts many.
func outside(list []api.Device, how string) (words []string) {
	if len(list) > namedOutside {
		return []string{count(len(list), "device", "devices") + " " + how}
	}
	for _, d := range list {
		name := d.Name
		if name == "" {
			name = d.MAC
		}
		if d.Until != nil {
			words = append(words, fmt.Sprintf("%s %s until %s", name, how, d.Until.Local().Format("15:04")))
		} else {
			words = append(words, name+" "+how)
		}
	}
	slices.Sort(words)
	return words
}
