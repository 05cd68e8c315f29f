package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/health"
)

// namedOutside is how many devices that do not go through Tor are named; more
// are counted.
const namedOutside = 3

// Fridge is the status for somebody who wants to know one thing: is the house
// protected, and who is outside Tor?
type Fridge struct {
	Open     bool      `json:"open"`
	Ready    bool      `json:"ready"`
	Why      string    `json:"why"`      // it is not open or not ready
	Inside   int       `json:"inside"`   // devices that are there and go through Tor
	Direct   []Outside `json:"direct"`   // devices that leave outside Tor, sorted by name
	Blocked  []Outside `json:"blocked"`  // devices that reach nothing, sorted by name
	Warnings int       `json:"warnings"` // findings that are more than information
}

// Outside is a device that does not go through Tor.
type Outside struct {
	Name  string     `json:"name"` // or its hardware address
	Until *time.Time `json:"until,omitempty"`
}

// Fridge is what of the status is for the fridge. A device that is away counts only
// where it would not go through Tor.
func (s Status) Fridge() Fridge {
	f := Fridge{Open: s.State == Open, Ready: s.Ready, Why: strings.TrimSpace(s.Why)}
	for _, d := range s.Household.Devices {
		switch o := (Outside{cmp.Or(d.Name, d.MAC), d.Until}); config.Policy(d.Policy) {
		case config.PolicyTor:
			if d.Seen {
				f.Inside++
			}
		case config.PolicyBlock:
			f.Blocked = append(f.Blocked, o)
		default: // direct, and onion, which sends all but names past Tor
			f.Direct = append(f.Direct, o)
		}
	}
	for _, list := range [][]Outside{f.Direct, f.Blocked} {
		slices.SortStableFunc(list, func(a, b Outside) int { return cmp.Compare(a.Name, b.Name) })
	}
	for _, one := range s.Findings {
		if one.Severity != health.Info {
			f.Warnings++
		}
	}
	return f
}

// String is one sentence.
func (f Fridge) String() string {
	if !f.Open {
		return "off line: nothing leaves the house: " + f.Why
	}
	words := []string{"protected: " + count(f.Inside, "device", "devices") + " through Tor"}
	words = append(append(words, outside(f.Direct, "direct, outside Tor")...), outside(f.Blocked, "blocked")...)
	sentence := strings.Join(words, ", ")
	switch {
	case !f.Ready:
		sentence += "; not everything works yet: " + f.Why
	case f.Warnings == 1:
		sentence += "; there is a warning below"
	case f.Warnings > 1:
		sentence += fmt.Sprintf("; there are %d warnings below", f.Warnings)
	}
	return sentence
}

// outside names some devices, or counts many.
func outside(list []Outside, how string) (words []string) {
	if len(list) > namedOutside {
		return []string{count(len(list), "device", "devices") + " " + how}
	}
	for _, d := range list {
		if d.Until != nil {
			words = append(words, fmt.Sprintf("%s %s until %s", d.Name, how, d.Until.Local().Format("15:04")))
		} else {
			words = append(words, d.Name+" "+how)
		}
	}
	return words
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
