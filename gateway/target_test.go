package gateway

import (
	"slices"
	"testing"
)

// While serve has not looked at a target, nothing is said of it.
func TestTargetsThatNobodyAskedAreNoFinding(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.set(func() { h.status.Bootstrap = 45 })
	h.pass(t.Context())
	s := h.Gateway.Status(t.Context())
	if slices.Contains(h.codes(t), "target-unreachable") || s.Onions[0].Ports[0].Down() || s.Onions[0].Ports[0].Reachable {
		t.Errorf("%+v, findings %v", s.Onions[0].Ports, h.codes(t))
	}
}
