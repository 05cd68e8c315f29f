package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/succession"
)

// heirOf is a new daemon beside one whose household is open.
func heirOf(t *testing.T, works func() error) *house {
	t.Helper()
	old := newHouse(t, map[string]string{"onions/photos.toml": photos})
	if old.done = old.pass(t.Context()); !old.done {
		t.Fatalf("the old one is not open: %v", old.codes(t))
	}
	h := newHouseIn(t, old.Paths.Root, nil)
	h.Heir = &Succession{Was: old.stands(), Works: func(context.Context) error { return works() }}
	h.inherit(h.Heir.Was)
	return h
}

func (b *fakes) closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.journal, "rules closed")
}

// eventually waits for what another goroutine does.
func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ready() {
			return
		}
	}
	t.Fatalf("not %s", what)
}

// A heir leaves the household open, is in charge once the old daemon has let go, and
// from then on closes it at its end.
func TestHeirTakesThePlace(t *testing.T) {
	worked := make(chan struct{}, 2)
	h := heirOf(t, func() error { worked <- struct{}{}; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	<-worked
	if h.closed() {
		t.Error("the household was closed")
	}
	if err := h.do(ctx, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil || !h.closed() {
		t.Errorf("at its end: %v, closed: %v", err, h.closed())
	}
	if len(h.notes) == 0 || h.notes[0] != "READY=1" || len(worked) > 0 {
		t.Errorf("the service manager was told %q, the old daemon %d times more", h.notes, len(worked))
	}
}

// A heir that the old daemon does not let have its place ends, and leaves everything.
func TestHeirIsRefused(t *testing.T) {
	h := heirOf(t, func() error { return errBroken })
	if err := h.Run(t.Context()); !errors.Is(err, errBroken) || h.Heir == nil || h.closed() || len(h.notes) > 0 {
		t.Errorf("%v, closed: %v, told: %q", err, h.closed(), h.notes)
	}
}

// A heir that does not work as well as the old daemon does not ask for its place, until
// it does.
func TestHeirDoesNotWork(t *testing.T) {
	asked := make(chan struct{}, 1)
	h := heirOf(t, func() error { asked <- struct{}{}; return nil })
	h.fail["serve"] = errBroken
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	select {
	case <-asked:
		t.Error("it says that it works, without serve")
	case <-time.After(3 * trialAgain):
	}
	if h.closed() {
		t.Error("it closed the household of the other one")
	}
	h.fakes.mu.Lock()
	delete(h.fail, "serve")
	h.fakes.mu.Unlock()
	select {
	case <-asked:
	case <-time.After(30 * time.Second):
		t.Error("it does not say that it works")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// One that is told to end before leaves the household as it is.
func TestHeirIsEnded(t *testing.T) {
	h := heirOf(t, func() error { t.Error("it asked"); return nil })
	h.fail["serve"] = errBroken
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	time.Sleep(trialAgain)
	cancel()
	if err := <-done; err != nil || h.Heir == nil || h.closed() {
		t.Errorf("%v, closed: %v", err, h.closed())
	}
}

// While another daemon is tried nothing is done, and then the rules are loaded again,
// whatever it has done to them.
func TestRestWhileAHeirIsTried(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	was, goOn, err := h.Rest(t.Context())
	if err != nil || !was.Open {
		t.Fatalf("%+v, %v", was, err)
	}
	before := len(h.fakes.lines())
	h.Wake()
	time.Sleep(50 * time.Millisecond)
	if now := h.fakes.lines(); len(now) != before {
		t.Errorf("it did %q", now[before:])
	}
	goOn()
	eventually(t, "loaded again", func() bool { return slices.Contains(h.fakes.lines()[before:], "rules open") })
}

func (b *fakes) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.journal)
}

// A heir cuts nobody: it knows by what connections were allowed.
func TestHeirCutsNobody(t *testing.T) {
	h := heirOf(t, func() error { return errBroken })
	_ = h.Run(t.Context())
	for _, line := range h.fakes.lines() {
		if strings.HasPrefix(line, "cut") {
			t.Errorf("it did %q", h.fakes.lines())
		}
	}
	if h.Heir.Was.Worse(succession.State{Open: true, Done: true}) != "" {
		t.Error("the old daemon was not well")
	}
}
