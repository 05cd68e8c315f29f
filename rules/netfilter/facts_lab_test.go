//go:build lab

package netfilter

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestAddresses(t *testing.T) {
	n := newNode(t, "facts")
	n.ip("link add br-lan type veth peer name cable0")
	n.ip("link add wan0 type veth peer name cable1")
	n.ip("link set br-lan up")
	n.ip("link set wan0 up")
	n.ip("link set cable1 up")
	n.ip("addr add 192.168.77.1/24 dev br-lan")
	n.ip("addr add 192.168.77.2/24 dev br-lan")
	n.ip("addr add 2001:db8:77::1/64 dev br-lan nodad")
	n.ip("addr add 2001:db8:77::dead/128 dev br-lan nodad")
	n.ip("addr add 203.0.113.2/24 dev wan0")
	n.ip("link set cable0 up")
	n.ip("route add 172.16.5.0/24 via 203.0.113.9")
	n.ip("route add 10.99.0.0/24 via 192.168.77.11")
	n.ip("route add 172.16.6.0/24 dev br-lan")
	n.ip("route add default via 203.0.113.1")
	n.set("ipv4/ip_forward", "1")
	var facts Facts
	var err error
	n.do(func() { facts, err = Addresses([]string{"br-lan", "usb9"}) })
	if err != nil {
		t.Fatal(err)
	}
	lan := facts.Interfaces[0]
	if !lan.Exists || !lan.Up || !slices.Contains(lan.Addresses, netip.MustParseAddr("192.168.77.2")) {
		t.Errorf("br-lan: %+v", lan)
	}
	want := []netip.Prefix{netip.MustParsePrefix("192.168.77.0/24"), netip.MustParsePrefix("2001:db8:77::/64")}
	if !slices.Equal(lan.Prefixes, want) {
		t.Errorf("prefixes %v, want %v", lan.Prefixes, want)
	}
	if want := []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")}; !slices.Equal(lan.Routed, want) {
		t.Errorf("behind hosts of br-lan: %v, want %v", lan.Routed, want)
	}
	for to, want := range map[string]string{"10.99.0.2": "br-lan 192.168.77.11", "192.168.77.9": "br-lan invalid IP",
		"8.8.8.8": "wan0 203.0.113.1"} {
		n.do(func() {
			if i, by, err := Via(netip.MustParseAddr(to)); err != nil || i+" "+by.String() != want {
				t.Errorf("to %s: by %s and %v, %v; want %s", to, i, by, err, want)
			}
		})
	}
	if missing := facts.Interfaces[1]; missing.Exists || missing.Up || missing.Name != "usb9" {
		t.Errorf("usb9: %+v", missing)
	}
	for _, p := range []string{"192.168.77.0/24", "203.0.113.0/24", "172.16.5.0/24", "2001:db8:77::/64"} {
		if !slices.Contains(facts.Local, netip.MustParsePrefix(p)) {
			t.Errorf("%s is not among the local networks %v", p, facts.Local)
		}
	}
	for _, p := range facts.Local {
		if p.Bits() == 0 {
			t.Errorf("the default route is among the local networks %v", facts.Local)
		}
	}
	if !facts.Forwarding4 || facts.Forwarding6 {
		t.Errorf("forwarding: IPv4 %v, IPv6 %v", facts.Forwarding4, facts.Forwarding6)
	}
}

func TestWatch(t *testing.T) {
	n := newNode(t, "watch")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed, ended := make(chan struct{}, 1), make(chan error, 1)
	go n.do(func() { ended <- Watch(ctx, changed) })
	select {
	case <-changed: // it watches: what was changed before is looked at
	case <-time.After(busy):
		t.Fatal("no event for what was changed while nobody watched")
	}
	for _, change := range []string{"link add usb0 type veth peer name cable2", "link set usb0 up", "addr add 192.168.9.1/24 dev usb0",
		"route add default via 192.168.9.2", "route del default", "link del usb0"} {
		for len(changed) > 0 {
			<-changed
		}
		n.ip(change)
		select {
		case <-changed:
		case <-time.After(busy):
			t.Errorf("no event for %q", change)
		}
		time.Sleep(50 * time.Millisecond)
	}
	n.ip("link set lo up")
	time.Sleep(500 * time.Millisecond)
	for len(changed) > 0 {
		<-changed
	}
	n.ip("route add 198.51.100.0/24 dev lo") // leads to somewhere
	select {
	case <-changed:
		t.Error("an event for a route that is not the default one")
	case <-time.After(300 * time.Millisecond):
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
