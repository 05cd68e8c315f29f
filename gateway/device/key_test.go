package device

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

const phone = "02:00:5e:10:00:01"

// A device is one, however many addresses it gives itself.
func TestAddressesOfOneDevice(t *testing.T) {
	macs := map[netip.Addr]string{
		netip.MustParseAddr("192.168.77.10"): phone,
		netip.MustParseAddr("192.168.77.11"): "02:00:5e:10:00:02",
		// The same on another wire is another host.
		netip.MustParseAddr("fe80::1%br-guest"): "02:00:5e:10:00:03",
	}
	for i := range 500 {
		macs[netip.MustParseAddr(fmt.Sprintf("fe80::%x%%br-lan", i+1))] = phone
		macs[netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))] = phone
	}
	table := &Table{Read: func() (map[netip.Addr]string, error) { return macs, nil }}
	keys := make(map[Key]int)
	for a := range macs {
		keys[table.Of(a)]++
	}
	if len(keys) != 3 || keys["mac "+phone] != 1001 {
		t.Errorf("%d devices, %d addresses of the phone", len(keys), keys["mac "+phone])
	}
	if got := table.Of(netip.MustParseAddr("fe80::2")); got != "mac "+phone {
		t.Errorf("without its zone: %q", got)
	}
	if got := table.Of(netip.MustParseAddr("fe80::1")); got != "net fe80::/64%" {
		t.Errorf("without its zone, on two wires: %q", got)
	}
	if got := table.Of(netip.MustParseAddr("::ffff:192.168.77.10")); got != "mac "+phone {
		t.Errorf("written as IPv6: %q", got)
	}
}

// Without a hardware address the network counts, never the address.
func TestUnknownCountByNetwork(t *testing.T) {
	for _, tc := range []struct{ addr, want string }{
		{"192.168.77.10", "net 192.168.77.0/24%"},
		{"192.168.77.99", "net 192.168.77.0/24%"},
		{"fe80::1%br-lan", "net fe80::/64%br-lan"},
		{"fe80::2%br-lan", "net fe80::/64%br-lan"},
		{"fe80::2%br-guest", "net fe80::/64%br-guest"},
		{"2001:db8:0:1::5", "net 2001:db8:0:1::/64%"},
		{"127.0.0.9", "box"},
		{"::1", "box"},
	} {
		for name, table := range map[string]*Table{
			"zero":   {},
			"failed": {Read: func() (map[netip.Addr]string, error) { return nil, errors.New("no") }},
		} {
			if got := table.Of(netip.MustParseAddr(tc.addr)); string(got) != tc.want {
				t.Errorf("%s, %s table: %q, want %q", tc.addr, name, got, tc.want)
			}
		}
	}
	if got := new(Table).Of(netip.Addr{}); got != "net" || got.MAC() != "" {
		t.Errorf("no address: %q", got)
	}
}

// The kernel is asked seldom, also by who uses addresses that it does not know.
func TestTableIsReadSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		macs := map[netip.Addr]string{netip.MustParseAddr("192.168.77.10"): phone}
		table := &Table{Read: func() (map[netip.Addr]string, error) { reads++; return macs, nil }}
		for i := range 1000 {
			table.Of(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		}
		if reads != 1 {
			t.Errorf("read %d times at once", reads)
		}
		fresh := netip.MustParseAddr("192.168.77.12")
		macs = map[netip.Addr]string{fresh: phone}
		time.Sleep(unknownFor + time.Millisecond)
		if got := table.Of(fresh); got != "mac "+phone {
			t.Errorf("a device that came: %q", got)
		}
		table.Again, macs = time.Millisecond, map[netip.Addr]string{fresh: phone, netip.MustParseAddr("192.168.77.13"): phone}
		time.Sleep(2 * time.Millisecond)
		if got := table.Of(netip.MustParseAddr("192.168.77.13")); got.MAC() != phone {
			t.Errorf("another, a moment later: %q", got)
		}
		time.Sleep(knownFor + time.Millisecond)
		macs = nil
		if got := table.Of(fresh); got != "net 192.168.77.0/24%" {
			t.Errorf("a device that went: %q", got)
		}
	})
}
