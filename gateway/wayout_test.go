package gateway

import (
	"strings"
	"testing"
	"time"
	"tunic/gateway/feature"
)

// A tor that has given up on its guards while there was no way out is started
// again when there is one, and no other.
func TestWayOut(t *testing.T) {
	h := newHouse(t, nil)
	out := feature.Link{Name: "wan", Up: true, Carrier: true, Default: true}
	off := out
	off.Carrier = false
	pass := func(link feature.Link, bootstrap int, live, gaveUp bool) bool {
		t.Helper()
		h.set(func() {
			h.around.Links = []feature.Link{{Name: "br-lan", Up: true, Carrier: true, Household: true}, link}
			h.status.Bootstrap, h.status.Live, h.gaveUp = bootstrap, live, gaveUp
		})
		h.took()
		h.pass(t.Context())
		return strings.Contains(h.took(), "tor rests")
	}
	const later = "half a minute later"
	for i, step := range []struct {
		what         string
		link         feature.Link
		bootstrap    int
		live, gaveUp bool
		rests        bool
	}{
		{"a guard is down", out, 100, true, true, false},
		{"the cable is out", off, 100, true, true, false},
		{"it is back, and devices are served", out, 100, true, false, false},
		{"a guard is down later", out, 100, true, true, false},
		{"no route", feature.Link{Name: "wan", Up: true, Carrier: true}, 100, false, false, false},
		{"it is back, and guards are given up", out, 100, true, true, true},
		{"they still are, by the new one", out, 100, true, true, false},
		{"no route while it starts", off, 10, false, false, false},
		{"it is back, and the new one has hardly begun", out, 10, false, false, false},
		{later, out, 10, false, false, true},
		{"it starts", out, 10, false, false, false},
		{"no route once more", off, 10, false, false, false},
		{"it is back once more", out, 10, false, false, false},
		{"and it has connected", out, 100, true, false, false},
		{later, out, 100, true, false, false},
		{"a guard is down later still", out, 100, true, true, false},
	} {
		if step.what == later {
			h.out.rested = h.out.rested.Add(-startTime)
		}
		if rests := pass(step.link, step.bootstrap, step.live, step.gaveUp); rests != step.rests {
			t.Errorf("%d, %s: tor rests: %v", i, step.what, rests)
		}
	}
}

// Where the box's cable stays in while the router has no internet, tor is asked
// once it has it again, and not again and again where a guard is gone for good.
func TestWayOutBeyondTheRouter(t *testing.T) {
	h := newHouse(t, nil)
	h.set(func() {
		h.around.Links = []feature.Link{{Name: "wan", Up: true, Carrier: true, Default: true}}
		h.status.Live, h.gaveUp = false, true
	})
	rests := func() bool {
		h.took()
		h.pass(t.Context())
		return strings.Contains(h.took(), "tor rests")
	}
	if rests() {
		t.Error("it was away for a moment")
	}
	h.away = time.Now().Add(-time.Minute)
	if rests() {
		t.Error("it is away")
	}
	h.set(func() { h.status.Live = true })
	if !rests() {
		t.Error("it is back, and has given up on its guards")
	}
	h.away = time.Now().Add(-time.Minute)
	if rests() {
		t.Error("once more at once")
	}
}
