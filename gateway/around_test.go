package gateway

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

func (k fakeKernel) Around(context.Context, []string) (Around, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.around, k.fail["around"]
}

func TestAroundIsFound(t *testing.T) {
	h := newHouse(t, nil)
	direct := config.Device{Name: "laptop", MAC: "02:00:00:00:00:11", Policy: config.PolicyDirect}
	phone := config.Device{Name: "phone", MAC: "02:00:00:00:00:10", Policy: config.PolicyTor}
	at := func(mac, addr string) Neighbour { return Neighbour{MAC: mac, Addr: netip.MustParseAddr(addr)} }
	h.box.facts.Forwarding = true
	h.box.around = Around{
		Links:   []Link{lan(), wan(), {Name: "docker0", Up: true, Carrier: true, Addresses: nets("172.17.0.1/16")}, {Name: ProbePrefix + "0", Up: true, Addresses: nets("10.1.1.1/24")}},
		Routers: []Neighbour{at("02:00:00:00:00:77", "fe80::77"), at("02:00:00:00:00:77", "2001:db8::77")},
		Spoken: []Neighbour{at(direct.MAC, "192.168.77.11"), at(direct.MAC, "192.168.77.10"),
			at(phone.MAC, "192.168.77.20"), at(phone.MAC, "192.168.77.21"), at("02:00:00:00:00:99", "192.168.77.30")},
		Fast: []string{"the flowtable ft of inet fw4"},
		Tors: []string{"debian-tor"},
	}
	own := config.Gateway{OwnTraffic: config.OwnTor}
	a := &attempt{Gateway: h.Gateway, in: Inputs{Scene: feature.Scene{Config: &config.Config{Gateway: own, Household: config.Household{Interfaces: []string{"br-lan"}}, Devices: []config.Device{direct, phone}}, Facts: h.box.facts}}}
	a.lookAround(t.Context())
	a.tellAround()
	var got []string
	for _, f := range a.findings {
		got = append(got, string(f.Code)+" "+f.Text)
	}
	for i, want := range [][]string{
		{string(health.NetworkRefused), "docker0 (172.17.0.0/16)", `other-networks = ["docker0"]`}, {string(health.OtherRouter), "02:00:00:00:00:77 (2001:db8::77, fe80::77)"},
		{string(health.AddressShared), "laptop", "192.168.77.10, 192.168.77.11"},
		{string(health.TorTwice), "debian-tor"}, {string(health.FastPath), "the flowtable ft of inet fw4"},
	} {
		for _, w := range want {
			if len(got) != 5 || !strings.Contains(got[i], w) {
				t.Fatalf("%q, want %q", got, want)
			}
		}
	}

	// Where the box's own traffic goes out directly, its other tor does too.
	h.box.around, a.findings, a.in.Config.Gateway.OwnTraffic = Around{Tors: []string{"debian-tor"}}, nil, config.OwnDirect
	if a.lookAround(t.Context()); len(a.findings) > 0 {
		t.Errorf("%+v", a.findings)
	}

	h.box.fail["around"] = errors.New("no")
	h.box.around = Around{}
	a.findings = nil
	a.lookAround(t.Context())
	if a.tellAround(); len(a.findings) > 0 {
		t.Errorf("%+v", a.findings)
	}
}

// The router that a box with one cable goes out by is no stranger there, and
// another one is.
func TestRoutersBeside(t *testing.T) {
	at := func(mac, addr string) Neighbour { return Neighbour{MAC: mac, Addr: netip.MustParseAddr(addr)} }
	around := Around{
		Routers: []Neighbour{at("02:00:00:00:00:77", "fe80::77"), at("02:00:00:00:00:88", "fe80::88")},
		Ways:    []Neighbour{at("02:00:00:00:00:77", "192.168.77.254")},
	}
	for oneArm, want := range map[bool][]health.Code{true: {health.RouterBeside, health.OtherRouter}, false: {health.OtherRouter, health.OtherRouter}} {
		a := &attempt{in: Inputs{Scene: feature.Scene{Config: &config.Config{Household: config.Household{OneArm: oneArm}}}}}
		a.tellRouters(around)
		if len(a.findings) != 2 || a.findings[0].Code != want[0] || a.findings[1].Code != want[1] {
			t.Errorf("beside the router %v: %+v, want %q", oneArm, a.findings, want)
		}
	}
}

func TestCleartextFindings(t *testing.T) {
	now := time.Now()
	if got := cleartextFindings(map[uint16]time.Time{110: now, 23: now.Add(-time.Hour), 143: now.Add(-25 * time.Hour)}, now); len(got) != 1 || !strings.HasSuffix(got[0].Text, "port 23, 110") {
		t.Errorf("%+v", got)
	}
	if got := cleartextFindings(nil, now); got != nil {
		t.Errorf("%+v", got)
	}
}
