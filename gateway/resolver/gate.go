package resolver

import (
	"net/netip"
	"sync"
)

// gate bounds how many things go on at a time, in all and for one device, so
// that one device cannot take the resolver from the others.
type gate struct {
	max, perDevice int

	mu   sync.Mutex
	all  int
	each map[netip.Addr]int
}

func newGate(max, perDevice int) *gate {
	return &gate{max: max, perDevice: perDevice, each: make(map[netip.Addr]int)}
}

// enter reports whether one more may go on; if so, leave must be called once.
func (g *gate) enter(device netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= g.max || g.each[device] >= g.perDevice {
		return false
	}
	g.all++
	g.each[device]++
	return true
}

func (g *gate) leave(device netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.each[device]--; g.each[device] == 0 {
		delete(g.each, device)
	}
}
