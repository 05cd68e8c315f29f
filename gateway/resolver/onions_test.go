package resolver

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/device"
)

// A page that asks for one onion name after the other gets so many, and the
// other devices theirs.
func TestOnionShare(t *testing.T) {
	table := new(device.Table)
	who := func(n int) device.Key { return table.Of(netip.MustParseAddr(fmt.Sprintf("10.%d.%d.1", n/256, n%256))) }
	now := time.Now()
	s := newOnionShare()
	s.now = func() time.Time { return now }
	asks := func(device, first, count int) (given int) {
		for i := range count {
			if s.take(who(device), fmt.Sprintf("x%d.onion", first+i)) {
				given++
			}
		}
		return given
	}
	if n := asks(1, 0, 70_000); n != onionsAtOnce {
		t.Errorf("a greedy device got %d", n)
	}
	if n := asks(1, 0, onionsAtOnce); n != onionsAtOnce {
		t.Errorf("of names that it had, it gets %d", n)
	}
	if n := asks(2, 0, 100); n != 100 {
		t.Errorf("another device gets %d", n)
	}
	now = now.Add(10 * onionEvery)
	if n := asks(1, 80_000, 100); n != 10 {
		t.Errorf("after a while it gets %d more", n)
	}
	for i := range 2 * onionsDevices { // others come and go
		asks(10+i, 0, 1)
	}
	if n := asks(1, 90_000, 100); n != 0 || len(s.of) > onionsDevices {
		t.Errorf("when others have come it gets %d; %d devices are remembered", n, len(s.of))
	}
}

// The limit holds where devices ask, and a name that a device has is answered on.
func TestOnionNamesAreBounded(t *testing.T) {
	h := newHome(t, testConfig, &upstream{strict: torStrict, dig: torNames(testOnion + ". 60 A 10.192.0.9")},
		func(r *Resolver) { now := time.Now(); r.onions.now = func() time.Time { return now } })
	const it = "127.0.0.7"
	if got := brief(h.ask(t, it, "udp", testOnion, dns.TypeA)); got == "SERVFAIL" {
		t.Fatal(got)
	}
	for i := range onionsAtOnce {
		h.onions.take(h.Devices.Of(netip.MustParseAddr(it)), fmt.Sprint(i))
	}
	if got := brief(h.ask(t, it, "udp", "x1."+testOnion, dns.TypeA)); got != "SERVFAIL" {
		t.Errorf("one name more: %s", got)
	}
	if got := brief(h.ask(t, it, "udp", testOnion, dns.TypeA)); got == "SERVFAIL" {
		t.Error("a name that it had is not answered any more")
	}
}
