package networks

import (
	"net/netip"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

func found(t *testing.T, s feature.Scene) []health.Finding {
	t.Helper()
	var r feature.Report
	Feature{}.Look(t.Context(), &s, &r)
	return r.Findings
}

func TestAroundIsFound(t *testing.T) {
	direct := config.Device{Name: "laptop", MAC: "02:00:00:00:00:11", Policy: config.PolicyDirect}
	phone := config.Device{Name: "phone", MAC: "02:00:00:00:00:10", Policy: config.PolicyTor}
	at := func(mac, addr string) feature.Neighbour {
		return feature.Neighbour{MAC: mac, Addr: netip.MustParseAddr(addr)}
	}
	around := feature.Surroundings{
		Links: []feature.Link{lan(), wan(), {Name: "docker0", Up: true, Carrier: true, Addresses: nets("172.17.0.1/16")},
			{Name: feature.ProbePrefix + "0", Up: true, Addresses: nets("10.1.1.1/24")}},
		Routers: []feature.Neighbour{at("02:00:00:00:00:77", "fe80::77"), at("02:00:00:00:00:77", "2001:db8::77")},
		Spoken: []feature.Neighbour{at(direct.MAC, "192.168.77.11"), at(direct.MAC, "192.168.77.10"),
			at(phone.MAC, "192.168.77.20"), at(phone.MAC, "192.168.77.21"), at("02:00:00:00:00:99", "192.168.77.30")},
		Fast: []string{"the flowtable ft of inet fw4"},
		Tors: []string{"debian-tor"},
	}
	own := config.Gateway{OwnTraffic: config.OwnTor}
	s := feature.Scene{Config: &config.Config{Gateway: own, Household: config.Household{Interfaces: []string{"br-lan"}},
		Devices: []config.Device{direct, phone}}, Surroundings: around}
	var got []string
	for _, f := range found(t, s) {
		got = append(got, string(f.Code)+" "+f.Text)
	}
	for i, want := range [][]string{
		{string(health.NetworkRefused), "docker0 (172.17.0.0/16)", `other-networks = ["docker0"]`},
		{string(health.OtherRouter), "02:00:00:00:00:77 (2001:db8::77, fe80::77)"},
		{string(health.AddressShared), "laptop", "192.168.77.10, 192.168.77.11"},
		{string(health.TorTwice), "debian-tor"}, {string(health.FastPath), "the flowtable ft of inet fw4"},
	} {
		for _, w := range want {
			if len(got) != 5 || !strings.Contains(got[i], w) {
				t.Fatalf("%q, want %q", got, want)
			}
		}
	}

	// Where the box's own traffic goes out directly, its other tor does too; and
	// where nothing could be seen, nothing is said.
	s.Config.Gateway.OwnTraffic = config.OwnDirect
	for _, around := range []feature.Surroundings{{Tors: []string{"debian-tor"}}, {}} {
		if s.Surroundings = around; len(found(t, s)) > 0 {
			t.Errorf("%+v: %+v", around, found(t, s))
		}
	}
}

// The router that a box with one cable goes out by is no stranger there, and
// another one is.
func TestRoutersBeside(t *testing.T) {
	at := func(mac, addr string) feature.Neighbour {
		return feature.Neighbour{MAC: mac, Addr: netip.MustParseAddr(addr)}
	}
	around := feature.Surroundings{
		Routers: []feature.Neighbour{at("02:00:00:00:00:77", "fe80::77"), at("02:00:00:00:00:88", "fe80::88")},
		Ways:    []feature.Neighbour{at("02:00:00:00:00:77", "192.168.77.254")},
	}
	for oneArm, want := range map[bool][]health.Code{true: {health.RouterBeside, health.OtherRouter},
		false: {health.OtherRouter, health.OtherRouter}} {
		got := found(t, feature.Scene{Config: &config.Config{Household: config.Household{OneArm: oneArm}}, Surroundings: around})
		if len(got) != 2 || got[0].Code != want[0] || got[1].Code != want[1] {
			t.Errorf("beside the router %v: %+v, want %q", oneArm, got, want)
		}
	}
}
