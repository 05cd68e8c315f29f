package leaktest

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tunic/internal/lab/traffic"
)

var (
	guest4 = netip.MustParseAddr("192.168.77.50")
	guest6 = netip.MustParseAddr("2001:db8:77::50")
)

const nonce = "tunic0123456789abcdef"

// Each packet that a class sends is recognised as that class's, by both
// families, and nothing else is.
func TestEveryPacketIsRecognised(t *testing.T) {
	ids := make(map[string]bool)
	for n, c := range Classes() {
		if ids[c.ID] || c.Name == "" || c.Action == "" {
			t.Errorf("class %q is there twice, or says nothing", c.ID)
		}
		ids[c.ID] = true
		for _, from := range []netip.Addr{guest4, guest6} {
			to := target(n, from.Is4())
			if got, ok := classOf(to); !ok || got != n {
				t.Errorf("%s: %v is taken for class %d", c.ID, to, got)
			}
			if c.packets == nil || c.only4 && from.Is6() {
				continue
			}
			for _, p := range c.packets(from, to, nonce) {
				if got := look(p.Bytes(), []netip.Addr{guest4, guest6}, nonce); got.class != n || got.own == (c.ID == "spoofed") {
					t.Errorf("%s from %v: seen as %+v", c.ID, from, got)
				}
			}
		}
	}
}

func TestLook(t *testing.T) {
	other := netip.MustParseAddr("203.0.113.1")
	packet := func(from, to netip.Addr, payload string) []byte {
		return traffic.IP{From: from, To: to, Protocol: traffic.Test, Payload: []byte(payload)}.Bytes()
	}
	cases := []struct {
		name   string
		packet []byte
		want   seen
	}{
		{"somebody else's", packet(other, other, "x"), seen{class: -1}},
		{"to a neighbour of the targets", packet(other, netip.MustParseAddr("192.0.2.1"), "x"), seen{class: -1}},
		{"to a target, with another source", packet(other, target(2, true), "x"), seen{class: 2}},
		{"of the guest", packet(guest4, other, "x"), seen{class: -1, own: true}},
		{"with the name", packet(other, other, "??"+nonce+"??"), seen{class: -1, name: true}},
		{"too short", packet(guest4, target(1, true), "")[:19], seen{class: -1}},
		{"no IP", []byte(strings.Repeat("\xff", 60)), seen{class: -1}},
		{"nothing", nil, seen{class: -1}},
	}
	for _, c := range cases {
		if got := look(c.packet, []netip.Addr{guest4, guest6}, nonce); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func FuzzLook(f *testing.F) {
	f.Add([]byte{0x45})
	f.Add(traffic.Echo(guest6, target(0, false)).Bytes())
	f.Fuzz(func(t *testing.T, packet []byte) {
		if s := look(packet, []netip.Addr{guest4}, nonce); s.class >= len(classes) {
			t.Errorf("class %d", s.class)
		}
	})
}

func TestResults(t *testing.T) {
	inside, outside := &capture{}, &capture{}
	for n := range classes {
		inside.classes[n] = 3
	}
	outside.classes[2], outside.names = 1, 4
	for _, r := range results(inside, outside) {
		leaks := r.ID == classes[2].ID || r.ID == "names"
		if r.Leaks() != leaks || (r.Action != "") != leaks || r.Sent == 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestCaptureCounts(t *testing.T) {
	c := &capture{guest: []netip.Addr{guest4}, nonce: nonce}
	c.count(unix.ETH_P_IP, traffic.Echo(guest4, target(classNumber("ping"), true)).Bytes())
	c.count(unix.ETH_P_IP, traffic.Echo(guest4, netip.MustParseAddr("203.0.113.9")).Bytes())
	c.count(unix.ETH_P_ARP, []byte(nonce))
	c.count(markerType, nil)
	if c.classes[classNumber("ping")] != 1 || c.sources != 1 || c.names != 0 || c.markers != 1 {
		t.Errorf("%+v", c)
	}
}

func TestPlan(t *testing.T) {
	box := []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24"), netip.MustParsePrefix("fd77::1/64"),
		netip.MustParsePrefix("2001:db8:77::1/64")}
	o, mac, err := plan(Household{Join: "br-lan", Box: box})
	if err != nil {
		t.Fatal(err)
	}
	if mac[0]&3 != 2 {
		t.Errorf("%v is not a local address of one host", mac)
	}
	if len(o.Candidates) != candidates || slices.Contains(o.Candidates, box[0]) {
		t.Errorf("candidates: %v", o.Candidates)
	}
	for _, c := range o.Candidates {
		if c.Masked() != box[0].Masked() || c.Addr() == c.Masked().Addr() || c.Addr().As4()[3] == 255 {
			t.Errorf("%v is no host of %v", c, box[0])
		}
	}
	if o.Addr6.Masked() != box[1].Masked() || !slices.Equal(o.Via, []netip.Addr{box[0].Addr(), box[1].Addr()}) || len(o.Nonce) < 20 {
		t.Errorf("%+v", o)
	}
	for _, none := range [][]netip.Prefix{nil, {netip.MustParsePrefix("192.168.77.1/32")}, {netip.MustParsePrefix("2001:db8::1/128")}} {
		if _, _, err := plan(Household{Join: "br-lan", Box: none}); err == nil {
			t.Errorf("a guest fits into %v", none)
		}
	}
}

func TestARP(t *testing.T) {
	mac := []byte{2, 0, 0, 0, 0, 1}
	probe := arpProbe(mac, guest4)
	if len(probe) != 28 || isARPFrom(probe, guest4) {
		t.Error("a probe is taken for an answer")
	}
	answer := slices.Clone(probe)
	answer[7] = 2
	copy(answer[14:], guest4.AsSlice())
	if !isARPFrom(answer, guest4) || isARPFrom(answer, netip.MustParseAddr("192.168.77.51")) || isARPFrom(answer[:27], guest4) {
		t.Error("answers are not told apart")
	}
}

// A guest that cannot do what it is told says so, and does not send.
func TestGuestSaysWhatIsWrong(t *testing.T) {
	if err := RunGuest(t.Context(), strings.NewReader("nonsense"), &bytes.Buffer{}); err == nil {
		t.Error("nonsense is an order")
	}
	text, err := json.Marshal(order{Interface: "tunic-no-such0"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := RunGuest(t.Context(), bytes.NewReader(text), &out); err == nil {
		t.Error("an interface that is not there is no mistake")
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Error == "" || r.Sent {
		t.Errorf("it said %q", out.String())
	}
}
