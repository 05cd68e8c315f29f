package tor

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// OverTor is a device that dialled a public relay through the household's Tor:
// it uses Tor itself.
type OverTor struct {
	Device netip.Addr     // its source address
	Relay  netip.AddrPort // one of the consensus
	Count  int            // connections, all of which tor ended
	First  time.Time
	Last   time.Time
}

// overTorKept is how long a device's dial is remembered, overTorMost how many
// pairs of device and relay are: a device's own tor keeps to a few guards.
const (
	overTorKept = 24 * time.Hour
	overTorMost = 256
)

// dialers recognises transparent connections of devices to relays.
type dialers struct {
	mu     sync.Mutex
	relays relaySet
	seen   []OverTor
}

func (d *dialers) learn(relays relaySet) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.relays = relays
}

// event takes an event line and reports whether it is the first dial of a
// device to a relay. Every stream of the household passes here a few times:
// most lines are left after two looks. tor ends such a stream by itself, since
// exits would (changelog of 0.4.6.2-alpha, ticket 40271): there is nothing to
// do but to remember it.
func (d *dialers) event(line string, now time.Time) (isNew bool) {
	words := strings.SplitN(line, " ", 6) // STREAM ID NEW CIRCUIT TARGET REST
	if len(words) < 6 || words[0] != "STREAM" || words[2] != "NEW" {
		return false
	}
	target, err := netip.ParseAddrPort(words[4])
	if err != nil {
		return false // a name: not from TransPort
	}
	target = plainAddr(target)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.relays.has(target) {
		return false
	}
	rest, err := splitWords(words[5])
	args := keywords(rest)
	source, sourceErr := parseSource(args["SOURCE_ADDR"])
	if err != nil || sourceErr != nil || args["CLIENT_PROTOCOL"] != "TRANS" {
		return false
	}
	return d.count(plainAddr(source).Addr(), target, now)
}

// count notes one connection and reports whether the pair is new.
func (d *dialers) count(device netip.Addr, relay netip.AddrPort, now time.Time) bool {
	d.forget(now)
	for i, s := range d.seen {
		if s.Device == device && s.Relay == relay {
			d.seen[i].Count, d.seen[i].Last = s.Count+1, now
			return false
		}
	}
	if len(d.seen) == overTorMost {
		oldest := slices.MinFunc(d.seen, func(a, b OverTor) int { return a.Last.Compare(b.Last) })
		d.seen = slices.DeleteFunc(d.seen, func(s OverTor) bool { return s == oldest })
	}
	d.seen = append(d.seen, OverTor{Device: device, Relay: relay, Count: 1, First: now, Last: now})
	return true
}

func (d *dialers) forget(now time.Time) {
	d.seen = slices.DeleteFunc(d.seen, func(s OverTor) bool { return now.Sub(s.Last) > overTorKept })
}

// list returns what is remembered, sorted by device and relay.
func (d *dialers) list(now time.Time) []OverTor {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(now)
	return slices.SortedFunc(slices.Values(d.seen), func(a, b OverTor) int {
		return cmp.Or(a.Device.Compare(b.Device), a.Relay.Compare(b.Relay))
	})
}
