package socks

import (
	"fmt"
	"io"
	"net/netip"
	"testing"
)

// What the box does for a device has the device's own circuits.
func TestDialIsTheDevices(t *testing.T) {
	tor := newFakeTor(t)
	p := newProxy(t, Options{DialTor: tor.dial})
	a, b := netip.MustParseAddr("192.168.77.10"), netip.MustParseAddr("192.168.77.11")
	for _, device := range []netip.Addr{a, b, a} {
		c, err := p.Dial(t.Context(), device, netip.MustParseAddrPort("9.9.9.9:853"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "ping")
		got := make([]byte, 4)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
			t.Errorf("%q, %v", got, err)
		}
	}
	asked := tor.asked()
	if len(asked) != 3 || asked[0].to != "addr 9.9.9.9:853" || asked[0] != asked[2] || asked[0].password == asked[1].password {
		t.Errorf("tor was asked for %v", asked)
	}
	if want := p.credentialsFor(a, credentials{}); asked[0].user != want.user || asked[0].password != want.password {
		t.Errorf("as %s, the device's other connections are %s", asked[0].user, want.user)
	}
}

func TestDialSaysWhatTorSays(t *testing.T) {
	tor := newFakeTor(t)
	tor.reply = []byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0}
	p := newProxy(t, Options{DialTor: tor.dial})
	if c, err := p.Dial(t.Context(), netip.MustParseAddr("192.168.77.10"), netip.MustParseAddrPort("9.9.9.9:853")); err == nil {
		c.Close()
		t.Error("a refused stream was taken for an open one")
	}
}
