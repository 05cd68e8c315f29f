package onions

import (
	"testing"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/tor"
)

var monday = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// knownOnion is an onion that nothing has happened to, with its descriptor out.
func knownOnion(name string) (*onionProbes, map[string]tor.Descriptor) {
	r := &onionProbes{}
	r.keep(map[string]probedOnion{name: {address: "key"}}, monday)
	return r, map[string]tor.Descriptor{"key": {Out: true, Uploads: 8, At: monday}}
}

func arrived(port uint16, at time.Time) link.Reached {
	return link.Reached{Ports: []link.PortStatus{{Virtual: port, At: at, Reachable: true}},
		Calls: []link.OwnCall{{Virtual: port, At: at, Took: time.Second}}}
}

func lost(port uint16, at time.Time, why string) link.Reached {
	return link.Reached{Ports: []link.PortStatus{{Virtual: port, At: at, Reachable: true}},
		Calls: []link.OwnCall{{Virtual: port, At: at, Error: why}}}
}

// between runs a plan's random time many times and checks its bounds.
func between(t *testing.T, what string, low, high time.Duration, draw func() time.Duration) {
	t.Helper()
	seen := map[time.Duration]bool{}
	for range 200 {
		d := draw()
		seen[d] = true
		if d < low || d > high {
			t.Fatalf("%s: %s is not between %s and %s", what, d, low, high)
		}
	}
	if len(seen) < 50 {
		t.Errorf("%s: %d different times in 200, so others can tell them", what, len(seen))
	}
}

func TestCallsAreRareAndJittered(t *testing.T) {
	between(t, "after one that arrived", 30*time.Minute, time.Hour, func() time.Duration {
		r, _ := knownOnion("photos")
		r.record("photos", arrived(80, monday), monday)
		return r.of["photos"].nextCall.Sub(monday)
	})
	between(t, "after the first failure", 80*time.Second, 160*time.Second, func() time.Duration {
		r, _ := knownOnion("photos")
		r.record("photos", lost(80, monday, "x"), monday)
		return r.of["photos"].nextCall.Sub(monday)
	})
	between(t, "after many failures", 20*time.Minute, 40*time.Minute, func() time.Duration {
		r, _ := knownOnion("photos")
		for range 30 {
			r.record("photos", lost(80, monday, "x"), monday)
		}
		return r.of["photos"].nextCall.Sub(monday)
	})
	between(t, "the first", 26*time.Second, 54*time.Second, func() time.Duration {
		r, _ := knownOnion("photos")
		return r.of["photos"].nextCall.Sub(monday)
	})
}

func TestWhatIsDue(t *testing.T) {
	r, out := knownOnion("photos")
	if name, call, ok := r.due(out, monday); name != "photos" || call || !ok {
		t.Errorf("a new onion's targets: %s, %v, %v", name, call, ok)
	}
	r.record("photos", link.Reached{Ports: []link.PortStatus{{Virtual: 80, At: monday, Reachable: true}}}, monday)
	if _, _, ok := r.due(out, monday.Add(20*time.Second)); ok {
		t.Error("something is due at once again")
	}
	later := monday.Add(time.Minute)
	if name, call, ok := r.due(out, later); name != "photos" || !call || !ok {
		t.Errorf("the first call: %s, %v, %v", name, call, ok)
	}
	if _, call, _ := r.due(map[string]tor.Descriptor{}, later); call {
		t.Error("an onion is called that no directory has")
	}
	r.record("photos",
		link.Reached{Ports: []link.PortStatus{{Virtual: 80, At: later, Error: "refused"}}, Calls: arrived(80, later).Calls}, later)
	if _, _, ok := r.due(out, later.Add(2*time.Minute)); !ok {
		t.Error("a target that is down is not looked at again soon")
	}
	r.keep(map[string]probedOnion{"photos": {address: "another key"}}, later)
	if r.of["photos"].sure {
		t.Error("what was known of another address is still believed")
	}
	r.keep(map[string]probedOnion{"photos": {address: "key", locked: true}}, monday)
	if _, call, _ := r.due(out, later); call {
		t.Error("a private onion is called for which the box has no key")
	}
	r.keep(nil, later)
	if len(r.of) != 0 {
		t.Error("an onion that is not published any more is still called")
	}
}

func TestRepairsAreBounded(t *testing.T) {
	well := tor.Status{Running: true, Bootstrap: 100, Live: true, Circuits: true, Since: monday.Add(-time.Hour)}
	failing := func(n int) *onionProbes {
		r, _ := knownOnion("photos")
		for range n {
			r.record("photos", lost(80, monday, "none of its introduction points let us in"), monday)
		}
		return r
	}
	uploaded := func(s tor.Status, d tor.Descriptor) tor.Status {
		s.Onions = map[string]tor.Descriptor{"key": d}
		return s
	}
	out := tor.Descriptor{Out: true, Uploads: 8, At: monday}
	for name, tc := range map[string]struct {
		r    *onionProbes
		s    tor.Status
		at   time.Duration
		want bool
	}{
		"two failures":   {failing(2), uploaded(well, out), 0, false},
		"three failures": {failing(3), uploaded(well, out), 0, true},
		"tor is cut off": {failing(3), uploaded(tor.Status{Running: true, Bootstrap: 100}, out), 0, false},
		"tor is starting": {failing(3), uploaded(tor.Status{Running: true, Bootstrap: 50, Live: true, Circuits: true}, out),
			0, false},
		"nothing uploaded for a minute": {failing(0), uploaded(well, tor.Descriptor{}), time.Minute, false},
		"nothing uploaded for long":     {failing(0), uploaded(well, tor.Descriptor{}), 6 * time.Minute, true},
		"tor has just been restarted": {failing(0), uploaded(tor.Status{Running: true, Bootstrap: 100, Live: true, Circuits: true,
			Since: monday.Add(5 * time.Minute)}, tor.Descriptor{}), 6 * time.Minute, false},
		"an old descriptor": {failing(0), uploaded(well, out), 4 * time.Hour, true},
	} {
		if got := len(tc.r.broken(tc.s, monday.Add(tc.at))) == 1; got != tc.want {
			t.Errorf("%s: repaired %v", name, got)
		}
	}
	// Twenty hours of failure lead to a handful of repairs, none of them close.
	r, repairs, last := failing(3), 0, time.Time{}
	for now := monday; now.Before(monday.Add(20 * time.Hour)); now = now.Add(time.Minute) {
		for range r.broken(uploaded(well, tor.Descriptor{Out: true, Uploads: 8, At: now}), now) {
			if !last.IsZero() && now.Sub(last) < repairPause*2/3-time.Minute {
				t.Fatalf("two repairs within %s", now.Sub(last))
			}
			r.repairing("photos", false, now)
			repairs, last = repairs+1, now
		}
	}
	if repairs < 4 || repairs > 11 {
		t.Errorf("%d repairs in 20 hours", repairs)
	}
	r.record("photos", arrived(80, last), last)
	if o := r.of["photos"]; o.repairs != 0 || o.failures != 0 {
		t.Errorf("after a call that arrived: %+v", o)
	}
	// What another box has is not ours to repair, and visitors are not cut off.
	r, _ = knownOnion("photos")
	for range 5 {
		r.record("photos", link.Reached{Calls: []link.OwnCall{{Virtual: 80, At: monday, Error: "x", Elsewhere: true}}}, monday)
	}
	if len(r.broken(uploaded(well, out), monday)) > 0 {
		t.Error("an onion is published again because another box has it")
	}
	r = failing(3)
	r.repairing("photos", true, monday)
	if len(r.broken(uploaded(well, out), monday.Add(time.Minute))) > 0 || r.of["photos"].repairs != 0 {
		t.Error("visitors are cut off")
	}
}

func TestSooner(t *testing.T) {
	now := time.Now()
	r := onionProbes{of: map[string]*onionProbe{"a": {probedOnion: probedOnion{address: "x"}, nextProbe: now.Add(time.Minute),
		nextCall: now.Add(time.Second)},
		"b": {probedOnion: probedOnion{locked: true}, nextProbe: now.Add(time.Hour)}}}
	if wait := r.sooner(map[string]tor.Descriptor{"x": {Out: true}}, now, time.Hour); wait != time.Second {
		t.Errorf("a call that is due in 1 s is made in %v", wait)
	}
	if wait := r.sooner(nil, now, time.Hour); wait != time.Minute {
		t.Errorf("an onion that no directory has is waited for %v", wait)
	}
}
