package leaktest

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

const questionNumber = 0x01020304

// offer is a DHCPOFFER with a router and a DNS server.
func offer(router, server string) []byte {
	m := discover(questionNumber, []byte{2, 0, 0, 0, 0, 1})[:240]
	m[0] = 2
	m = append(m, 0, optKind, 1, 2)
	m = append(append(m, optRouters, 4), netip.MustParseAddr(router).AsSlice()...)
	m = append(append(m, optDNS, 4), netip.MustParseAddr(server).AsSlice()...)
	return append(m, optEnd)
}

func TestOffered(t *testing.T) {
	a, ok := offered(offer("192.168.77.254", "9.9.9.9"), questionNumber)
	if !ok || a.By != "DHCP" || !slices.Equal(a.Routers, []netip.Addr{netip.MustParseAddr("192.168.77.254")}) ||
		!slices.Equal(a.DNS, []netip.Addr{netip.MustParseAddr("9.9.9.9")}) {
		t.Errorf("%+v %v", a, ok)
	}
	ack := offer("192.168.77.254", "9.9.9.9")
	ack[243] = 5
	for name, m := range map[string][]byte{"a question": discover(questionNumber, nil), "short": make([]byte, 100),
		"an acknowledgement": ack, "cut": offer("192.168.77.254", "9.9.9.9")[:242]} {
		if a, ok := offered(m, questionNumber); ok {
			t.Errorf("%s is taken for an offer: %+v", name, a)
		}
	}
	if _, ok := offered(offer("192.168.77.254", "9.9.9.9"), questionNumber+1); ok {
		t.Error("an answer to another question is taken")
	}
}

// advert is a router advertisement with a DNS server.
func advert(lifetime uint16, server string) []byte {
	m := append([]byte{134, 0, 0, 0, 64, 0}, binary.BigEndian.AppendUint16(nil, lifetime)...)
	m = append(m, make([]byte, 8)...)
	m = append(m, 1, 1, 2, 0, 0, 0, 0, 1) // its hardware address
	m = append(m, 25, 3, 0, 0, 0, 0, 0, 60)
	return append(m, netip.MustParseAddr(server).AsSlice()...)
}

func TestAdvertised(t *testing.T) {
	a, ok := advertised(advert(1800, "2001:db8::53"))
	if !ok || len(a.Routers) != 1 || !slices.Equal(a.DNS, []netip.Addr{netip.MustParseAddr("2001:db8::53")}) {
		t.Errorf("%+v %v", a, ok)
	}
	if a, ok := advertised(advert(0, "2001:db8::53")); !ok || len(a.Routers) != 0 || len(a.DNS) != 1 {
		t.Errorf("%+v %v", a, ok)
	}
	endless := advert(0, "2001:db8::53")
	endless[17] = 0
	for _, m := range [][]byte{nil, {133, 0}, endless, advert(0, "2001:db8::53")[:30]} {
		if a, _ := advertised(m); len(a.DNS) > 0 {
			t.Errorf("% x: %+v", m, a)
		}
	}
}

func TestRouterResult(t *testing.T) {
	box := []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24"), netip.MustParsePrefix("fd77::1/64")}
	mine := Answer{By: "DHCP", From: box[0].Addr(), Routers: []netip.Addr{box[0].Addr()}, DNS: []netip.Addr{box[0].Addr(), box[1].Addr()}}
	if r := routerResult([]Answer{mine}, 2, box); r.Leaks() || r.Sent != 2 || r.Action != "" {
		t.Errorf("%+v", r)
	}
	other := mine
	other.DNS = []netip.Addr{netip.MustParseAddr("9.9.9.9")}
	if r := routerResult([]Answer{mine, other}, 2, box); r.Leaked != 1 || r.Action == "" {
		t.Errorf("%+v", r)
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(offer("192.168.77.254", "9.9.9.9"))
	f.Add(advert(1800, "2001:db8::53"))
	f.Fuzz(func(_ *testing.T, m []byte) {
		offered(m, questionNumber)
		advertised(m)
	})
}
