package gateway

import (
	"context"
	"strings"
	"testing"
)

// While the household is closed, a plan has what a file changes and nothing
// else: not the hundred rules of the open state.
func TestPlanOfAClosedHousehold(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.set(func() { h.status.Bootstrap = 5 })
	h.running(t)
	p, err := h.Plan(t.Context())
	if err != nil || len(p.Changes) != 0 || !strings.HasPrefix(p.Closed, "Tor is connecting: 5 %") {
		t.Errorf("without a change: %q, closed %q, %v", p.Changes, p.Closed, err)
	}
	h.write(t, "devices/tv.toml", "mac = \"02:00:00:00:00:10\"\npolicy = \"direct\"\n")
	if p, err := h.Plan(t.Context()); err != nil || len(p.Changes) != 2 || !strings.Contains(p.Changes[0], "02:00:00:00:00:10") {
		t.Errorf("with one: %q, %v", p.Changes, err)
	}
	h.set(func() { h.status.Bootstrap = 100 })
	h.do(t.Context(), func(ctx context.Context) error { h.pass(ctx); return nil })
	if p, err := h.Plan(t.Context()); err != nil || p.Closed != "" {
		t.Errorf("of an open one: %q, %v", p.Closed, err)
	}
}
