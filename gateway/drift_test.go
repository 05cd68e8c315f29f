package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What was undone stays visible for a while, then goes.
func TestDriftStaysVisible(t *testing.T) {
	h := newHouse(t, nil)
	h.pass(t.Context())
	if slices.Contains(h.codes(t), "rules-drift") {
		t.Fatal("drift before anything")
	}
	h.RulesDrifted([]string{"ip4 filter: the hook in FORWARD is missing", "ip4 filter: chain TUNIC-TO was changed", "x",
		"changed by iptables, process 4711"})
	h.RulesDrifted([]string{"ip6 nat: chain TUNIC-LAN was changed"})
	h.pass(t.Context())
	found := h.driftFindings(time.Now())
	if len(found) != 1 || !strings.Contains(found[0].Text, "ip6 nat: chain TUNIC-LAN was changed), the last of 2 times in 10m0s") {
		t.Errorf("findings: %+v", found)
	}
	if s := h.Gateway.Status(t.Context()); !s.Ready || !slices.Contains(h.codes(t), "rules-drift") {
		t.Errorf("ready %v, findings %v", s.Ready, h.codes(t))
	}
	if found := h.driftFindings(time.Now().Add(driftShown + time.Second)); found != nil {
		t.Errorf("much later: %+v", found)
	}
}

func TestDriftIsBounded(t *testing.T) {
	h := newHouse(t, nil)
	for i := range 3 * driftMost {
		h.RulesDrifted([]string{fmt.Sprint("change ", i)})
	}
	if len(h.drifts) != driftMost || h.drifts[driftMost-1].lines[0] != fmt.Sprint("change ", 3*driftMost-1) {
		t.Errorf("%d are kept, the last %v", len(h.drifts), h.drifts[driftMost-1])
	}
}

func TestShorten(t *testing.T) {
	for want, lines := range map[string][]string{"a": {"a"}, "a; b": {"a", "b"}, "a; 2 more; d": {"a", "b", "c", "d"}} {
		if got := shorten(lines); got != want {
			t.Errorf("%q: %q", lines, got)
		}
	}
}

// Rules that nobody is known to have changed are looked at from time to time.
func TestVerifyIsNotForEachPass(t *testing.T) {
	h := newHouse(t, nil)
	h.pass(t.Context())
	h.set(func() { h.drift = []string{"ip4 filter: the hook in FORWARD is missing"} })
	h.pass(t.Context())
	if slices.Contains(h.codes(t), "rules-drift") {
		t.Error("it was looked at already")
	}
	h.verified = h.verified.Add(-verifyEvery)
	h.pass(t.Context())
	if !slices.Contains(h.codes(t), "rules-drift") {
		t.Error("it was not looked at after the pause")
	}
}

// A second backend is an error of its own; the rules stay as they are.
func TestMixedBackendsLater(t *testing.T) {
	h := newHouse(t, nil)
	h.pass(t.Context())
	h.set(func() { h.fail["backend"] = errors.New("iptables backends are mixed: legacy tables are loaded") })
	h.pass(t.Context())
	s := h.Gateway.Status(t.Context())
	if s.Ready || mode(h.loaded) != "open" || !strings.Contains(s.Why, "mixed") || !slices.Contains(h.codes(t), "rules-mixed-backends") {
		t.Errorf("ready %v, why %q, rules %s, findings %v", s.Ready, s.Why, mode(h.loaded), h.codes(t))
	}
	h.set(func() { delete(h.fail, "backend") })
	h.pass(t.Context())
	if s := h.Gateway.Status(t.Context()); !s.Ready {
		t.Errorf("after the repair: %s", s.Why)
	}
}
