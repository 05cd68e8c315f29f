// Package automap gives names addresses that mean nothing outside this process, and says
// afterwards which name an address stands for: programs that know only addresses reach
// hosts of a network that has only names.
//
// Use it where the process that answers for names also takes the connections to what it
// has answered. What is given is forgotten with the process, and when a device asks for
// many other names: answers must not be kept for long.
package automap

import (
	"math/rand/v2"
	"net/netip"
	"sync"
)

// Bounds, of which together a range of 65,536 addresses has room for twice as many.
const (
	perDevice  = 512 // names of one device that are remembered
	maxDevices = 64  // whose names are
)

// Table is a range of addresses of IPv4 and the names that they stand for. Its methods may
// be called from several goroutines. The zero Table has no range and gives nothing.
type Table struct {
	mu      sync.Mutex
	within  netip.Prefix
	clock   uint64 // counts what was asked for
	next    uint32 // host number that is tried first
	devices map[string]*device
	names   map[netip.Addr]string
}

// device is what one device has asked for.
type device struct {
	last  uint64 // when it has asked last
	names map[string]*given
}

// given is a name's address for one device.
type given struct {
	addr netip.Addr
	last uint64
}

// Set gives the table another range, at least a /16 of IPv4, or none, and forgets all that
// it has given from another one.
func (t *Table) Set(within netip.Prefix) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.within == within && t.devices != nil {
		return
	}
	t.within, t.next = within, rand.Uint32()
	t.devices, t.names = make(map[string]*device), make(map[netip.Addr]string)
}

// Addr is the address of a name for a device, the same as long as it is remembered. A
// device that asks for too many names loses those of its own that it has not asked for
// longest, and nobody else's. It fails without a range.
func (t *Table) Addr(who, name string) (a netip.Addr, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.within.IsValid() {
		return a, false
	}
	t.clock++
	d := t.device(who)
	d.last = t.clock
	g := d.names[name]
	if g == nil {
		if len(d.names) >= perDevice {
			t.forget(d, oldest(d.names, func(g *given) uint64 { return g.last }))
		}
		g = &given{addr: t.free()}
		d.names[name], t.names[g.addr] = g, name
	}
	g.last = t.clock
	return g.addr, true
}

// Name is the name that an address stands for.
func (t *Table) Name(a netip.Addr) (name string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name, ok = t.names[a]
	return name, ok
}

// device returns what a device has, if need be instead of that of the one that has not
// asked for anything longest.
func (t *Table) device(who string) *device {
	if d := t.devices[who]; d != nil {
		return d
	}
	if len(t.devices) >= maxDevices {
		gone := oldest(t.devices, func(d *device) uint64 { return d.last })
		for name := range t.devices[gone].names {
			t.forget(t.devices[gone], name)
		}
		delete(t.devices, gone)
	}
	d := &device{names: make(map[string]*given)}
	t.devices[who] = d
	return d
}

func (t *Table) forget(d *device, name string) {
	delete(t.names, d.names[name].addr)
	delete(d.names, name)
}

// oldest is the key of what is least by its last time.
func oldest[V any](m map[string]V, last func(V) uint64) (least string) {
	var at uint64
	for key, v := range m {
		if l := last(v); at == 0 || l < at {
			least, at = key, l
		}
	}
	return least
}

// free finds an address that stands for nothing: not the network's own nor its last. The
// bounds see to it that there is one, and one that was given long ago comes last.
func (t *Table) free() netip.Addr {
	first := t.within.Masked().Addr().As4()
	hosts := uint32(1) << (32 - t.within.Bits())
	for {
		t.next++
		n := t.next % hosts
		if n == 0 || n == hosts-1 {
			continue
		}
		a := netip.AddrFrom4([4]byte{first[0], first[1] | byte(n>>16), first[2] | byte(n>>8), first[3] | byte(n)})
		if _, taken := t.names[a]; !taken {
			return a
		}
	}
}
