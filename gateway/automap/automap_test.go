package automap

import (
	"fmt"
	"net/netip"
	"testing"
)

var within = netip.MustParsePrefix("10.193.0.0/16")

func table() *Table {
	t := new(Table)
	t.Set(within)
	return t
}

// A name keeps its address, and the address its name; two devices have two.
func TestAddr(t *testing.T) {
	m := table()
	a, ok := m.Addr("phone", "a.i2p")
	b, _ := m.Addr("laptop", "a.i2p")
	c, _ := m.Addr("phone", "b.i2p")
	again, _ := m.Addr("phone", "a.i2p")
	if !ok || a != again || a == b || a == c || b == c || !within.Contains(a) || !within.Contains(b) {
		t.Errorf("%v, %v, %v, %v", a, b, c, again)
	}
	for addr, want := range map[netip.Addr]string{a: "a.i2p", b: "a.i2p", c: "b.i2p"} {
		if name, ok := m.Name(addr); !ok || name != want {
			t.Errorf("%v is %q", addr, name)
		}
	}
	if name, ok := m.Name(c.Next().Next()); ok {
		t.Errorf("an address that was never given is %q", name)
	}
}

// Without a range there is nothing, and of another one nothing is known.
func TestSet(t *testing.T) {
	m := new(Table)
	if a, ok := m.Addr("phone", "a.i2p"); ok {
		t.Errorf("without a range: %v", a)
	}
	m.Set(within)
	a, _ := m.Addr("phone", "a.i2p")
	m.Set(within)
	if _, ok := m.Name(a); !ok {
		t.Error("the same range again forgets")
	}
	other := netip.MustParsePrefix("10.200.0.0/16")
	m.Set(other)
	if _, ok := m.Name(a); ok {
		t.Error("an address of the former range is known")
	}
	if b, _ := m.Addr("phone", "a.i2p"); !other.Contains(b) {
		t.Errorf("of the other range: %v", b)
	}
	m.Set(netip.Prefix{})
	if _, ok := m.Addr("phone", "a.i2p"); ok {
		t.Error("the range is gone")
	}
}

// A device that asks for every name loses its own oldest ones, and nobody else's; the
// table stays bounded, whatever devices there are, and never gives an address twice.
func TestBounds(t *testing.T) {
	m := table()
	mine, _ := m.Addr("phone", "mine.i2p")
	kept, _ := m.Addr("tv", "kept.i2p")
	for i := range 5_000 {
		a, ok := m.Addr("tv", fmt.Sprintf("x%d.i2p", i))
		if !ok || a == mine || !within.Contains(a) || a == within.Addr() || a == netip.MustParseAddr("10.193.255.255") {
			t.Fatalf("name %d: %v, %v", i, a, ok)
		}
		m.Addr("tv", "kept.i2p")
	}
	if name, _ := m.Name(mine); name != "mine.i2p" {
		t.Errorf("the other device's is %q", name)
	}
	if name, _ := m.Name(kept); name != "kept.i2p" {
		t.Errorf("what it asks for again and again is %q", name)
	}
	if len(m.names) != perDevice+1 {
		t.Errorf("%d are kept", len(m.names))
	}
	for i := range 1000 {
		m.Addr(fmt.Sprint("device", i), "a.i2p")
		m.Addr("phone", "mine.i2p")
	}
	if name, _ := m.Name(mine); name != "mine.i2p" || len(m.devices) != maxDevices || len(m.names) != maxDevices {
		t.Errorf("%q, %d devices, %d names", name, len(m.devices), len(m.names))
	}
}

// All that the bounds allow has room in the least range.
func TestRoom(t *testing.T) {
	m := table()
	for d := range maxDevices {
		for n := range perDevice {
			m.Addr(fmt.Sprint(d), fmt.Sprint(n))
		}
	}
	seen := make(map[netip.Addr]bool)
	for _, d := range m.devices {
		for _, g := range d.names {
			if seen[g.addr] {
				t.Fatalf("%v is given twice", g.addr)
			}
			seen[g.addr] = true
		}
	}
}
