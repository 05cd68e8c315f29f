// Package device says which device an address belongs to, for whatever counts
// by device: connections, questions, attempts to log in.
//
// Use a Key wherever a bound is for each device. Do not use it to keep devices
// apart towards tor: there each address has circuits of its own, which tells
// less, and costs the device that has many nothing but its own share.
package device

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Key stands for one device of the household: "mac 02:00:5e:10:00:01", or
// "net 192.168.77.0/24%" for all hosts of a network of which the kernel knows no
// hardware address, as of those behind another router. The box itself is "box".
// It is for comparing, and is never logged.
type Key string

const box Key = "box"

// MAC returns the hardware address of a device, "" for others.
func (k Key) MAC() string {
	mac, ok := strings.CutPrefix(string(k), "mac ")
	if !ok {
		return ""
	}
	return mac
}

// How long what the kernel said holds: for an address that it knew, and for one
// that it did not know.
const (
	knownFor   = 10 * time.Second
	unknownFor = 200 * time.Millisecond
)

// Table knows the devices on the wire. The zero Table knows none. It is safe
// for concurrent use.
type Table struct {
	// Read returns the hardware address of each neighbour, lower case with
	// colons. Link-local addresses have the interface as their zone.
	Read func() (map[netip.Addr]string, error)

	// Again is the least time between two looks for addresses that are not known;
	// 0 means 200 ms. Less is for who asks only about addresses to which the kernel
	// has spoken, as it has at the far end of a TCP connection.
	Again time.Duration

	mu   sync.Mutex
	macs map[netip.Addr]string
	read time.Time
}

// Of returns the device that has the address. A link-local one without its zone
// is found if it is on one wire only. When the kernel cannot be asked, devices count by network, never each
// address alone.
func (t *Table) Of(a netip.Addr) Key {
	a = a.Unmap()
	if mac := t.mac(a); mac != "" {
		return Key("mac " + mac)
	}
	if a.IsLoopback() {
		return box
	}
	return network(a)
}

// MAC is the hardware address of the device that Of returns, which costs no memory.
func (t *Table) MAC(a netip.Addr) string { return t.mac(a.Unmap()) }

// OfConn returns the device at the far end of a TCP or UDP address.
func (t *Table) OfConn(remote net.Addr) Key { return t.Of(Addr(remote)) }

// Addr is the address of a TCP or UDP end, with its zone; the zero Addr of
// others.
func Addr(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (t *Table) mac(a netip.Addr) string {
	if t.Read == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	mac, known := t.macs[a]
	if age := time.Since(t.read); age > knownFor || !known && age > cmp.Or(t.Again, unknownFor) {
		t.refresh()
		mac = t.macs[a]
	}
	return mac
}

// refresh keeps the old table when the kernel does not answer: it is better
// than none.
func (t *Table) refresh() {
	t.read = time.Now()
	if macs, err := t.Read(); err == nil {
		t.macs = withBare(macs)
	}
}

// withBare adds the addresses that have a zone without it. One that several
// hosts have, each on its own wire, is nobody's without.
func withBare(macs map[netip.Addr]string) map[netip.Addr]string {
	all := maps.Clone(macs)
	for a, mac := range macs {
		bare := a.WithZone("")
		if bare == a {
			continue
		}
		if other, ok := all[bare]; ok && other != mac {
			mac = ""
		}
		all[bare] = mac
	}
	return all
}

// network is what hosts without a hardware address count by: their part of the
// network, and for link-local addresses its wire.
func network(a netip.Addr) Key {
	if !a.IsValid() {
		return "net"
	}
	bits := 64
	if a.Is4() {
		bits = 24
	}
	p, _ := a.WithZone("").Prefix(bits) // every address has one so long
	return Key("net " + p.String() + "%" + a.Zone())
}
