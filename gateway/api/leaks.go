package api

import "time"

// Leaks is where each kind of traffic would go now, by the rules in the kernel.
type Leaks struct {
	At      time.Time   `json:"at"`
	Open    bool        `json:"open"`
	Rules   []string    `json:"rules"` // what of the rules is not in the kernel as it has to be
	Wall    []string    `json:"wall"`  // what is wrong with the second wall
	Classes []LeakClass `json:"classes"`
}

// LeakClass is one kind of traffic. Each device counts once, by the worst that happens
// to it over IPv4 and IPv6.
type LeakClass struct {
	ID       string   `json:"id"`       // as `tunic leaktest` has it
	Tor      int      `json:"tor"`      // devices whose traffic goes through Tor
	Answered int      `json:"answered"` // or is answered by the box
	Stopped  int      `json:"stopped"`
	Outside  int      `json:"outside"` // leaves outside Tor, as the device's policy says
	Leaks    []string `json:"leaks"`   // devices whose policy forbids that, and whose traffic leaves
}

// Fine reports whether nothing is wrong.
func (l Leaks) Fine() bool {
	for _, c := range l.Classes {
		if len(c.Leaks) > 0 {
			return false
		}
	}
	return len(l.Rules)+len(l.Wall) == 0
}
