package gateway

import "testing"

// Who asks for the status before the first pass is answered.
func TestStatusBeforeThePass(t *testing.T) {
	h := newHouse(t, nil)
	if s := h.Gateway.Status(t.Context()); s.Ready || s.Why != "starting" {
		t.Errorf("ready %v, %q", s.Ready, s.Why)
	}
}
