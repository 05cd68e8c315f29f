package gateway

import (
	"net/netip"
	"testing"
	"time"

	"tunic/gateway/tor"
)

// TestRest: a box that has nothing to do waits, and does not miss what it waits
// for.
func TestRest(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/a.toml": "[ports]\n80 = 'phone:80'\n"})
	if wait := h.work(t.Context()); wait > hostsEvery || !h.resting(t.Context()) {
		t.Errorf("a pass follows in %v although nothing has changed", wait)
	}
	h.Gateway.mu.Lock()
	h.view.hosts = map[string][]netip.Addr{"phone": {netip.MustParseAddr("192.168.77.50")}}
	h.Gateway.mu.Unlock()
	if h.resting(t.Context()) {
		t.Error("a device that an onion leads to has another address, and nobody looks")
	}
	h.work(t.Context())
	h.next = time.Now()
	if h.resting(t.Context()) {
		t.Error("the next pass never comes")
	}
}

func TestSooner(t *testing.T) {
	var g grants
	now := time.Now()
	if _, err := g.add([]Granted{{}}, now.Add(3*time.Second)); err != nil {
		t.Fatal(err)
	}
	if wait := g.sooner(time.Minute); wait > 3*time.Second+time.Millisecond || wait < 2*time.Second {
		t.Errorf("a grant that ends in 3 s is looked at in %v", wait)
	}
	if wait := g.sooner(time.Second); wait != time.Second {
		t.Errorf("waiting got longer: %v", wait)
	}
	r := reaches{of: map[string]*reach{"a": {visited: visited{address: "x"}, nextLook: now.Add(time.Minute), nextCall: now.Add(time.Second)},
		"b": {visited: visited{locked: true}, nextLook: now.Add(time.Hour)}}}
	if wait := r.sooner(map[string]tor.Descriptor{"x": {Out: true}}, now, time.Hour); wait != time.Second {
		t.Errorf("a call that is due in 1 s is made in %v", wait)
	}
	if wait := r.sooner(nil, now, time.Hour); wait != time.Minute {
		t.Errorf("an onion that no directory has is waited for %v", wait)
	}
}
