package leaks

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/rules"
)

type host struct {
	feature.Host
	now feature.Now
}

func (h host) Now() feature.Now { return h.now }

func (host) Do(ctx context.Context, f func(context.Context) error) error { return f(ctx) }

type system struct {
	drift, wall []string
	err         error
}

func (s system) Verify(context.Context, rules.Ruleset) ([]string, error) { return s.drift, s.err }
func (s system) Wall() ([]string, error)                                 { return s.wall, nil }

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// household has a device of each policy, and one that is seen over IPv6 alone.
func household() (rules.Input, []api.Device) {
	in := rules.Input{Mode: rules.Open, Interfaces: []string{"br-lan"}, Prefixes: prefixes("192.168.77.0/24", "fd77::/64"),
		Virtual4: netip.MustParsePrefix("10.192.0.0/10"), Virtual6: netip.MustParsePrefix("fd7a:115c::/48"), Default: rules.Tor,
		Carriers: []rules.Carrier{{UID: 107, TransPort: 9240, DNSPort: 9253}},
		Services: []rules.Service{{Name: "dns", UDP: true, Public: 53, Internal: 9353}},
		Devices: []rules.Device{{MAC: "02:00:00:00:00:11", Policy: rules.Direct}, {MAC: "02:00:00:00:00:12", Policy: rules.Block},
			{MAC: "02:00:00:00:00:13", Policy: rules.Onion}}}
	return in, []api.Device{{Name: "laptop", MAC: "02:00:00:00:00:10", Policy: "tor", Addresses: []string{"192.168.77.10", "fd77::10"}},
		{Name: "tv", MAC: "02:00:00:00:00:11", Policy: "direct"}, {Name: "lamp", MAC: "02:00:00:00:00:12", Policy: "block"},
		{Name: "console", MAC: "02:00:00:00:00:13", Policy: "onion"}}
}

func tester(t *testing.T, in rules.Input, devices []api.Device, s system) Tester {
	t.Helper()
	set, err := rules.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	now := feature.Now{Rules: set, Open: in.Mode == rules.Open, Scene: feature.Scene{
		Config: &config.Config{Household: config.Household{DefaultPolicy: config.PolicyTor}},
		Facts: feature.Facts{Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4,
			Addresses: prefixes("192.168.77.1/24", "fd77::1/64")}}}}}
	return Tester{Host: host{now: now}, System: s, Devices: func(context.Context) ([]api.Device, error) { return devices, nil }}
}

func of(l api.Leaks, id string) api.LeakClass {
	return l.Classes[slices.IndexFunc(l.Classes, func(c api.LeakClass) bool { return c.ID == id })]
}

// In an open household nothing leaks, and each device goes as its policy says.
func TestNothingLeaks(t *testing.T) {
	in, devices := household()
	l, err := tester(t, in, devices, system{}).Leaks(t.Context())
	if err != nil || !l.Fine() || len(l.Classes) != len(classes) {
		t.Fatalf("%+v, %v", l, err)
	}
	// laptop and the stranger, tv and console, lamp
	if c := of(l, "tcp"); c.Tor != 2 || c.Outside != 2 || c.Stopped != 1 {
		t.Errorf("%+v", c)
	}
	for _, id := range []string{"udp", "quic", "ping", "gre", "vpn", "6in4", "protocol"} {
		if c := of(l, id); c.Stopped != 3 || c.Outside != 2 || c.Tor+c.Answered != 0 {
			t.Errorf("%+v", c)
		}
	}
	in.Mode = rules.Lockdown
	l, err = tester(t, in, devices, system{}).Leaks(t.Context())
	if c := of(l, "tcp"); err != nil || !l.Fine() || l.Open || c.Stopped != 5 {
		t.Errorf("closed: %+v, %v", c, err)
	}
}

// What leaves although its device's policy forbids it is a leak, with the device's name:
// here the rules take it for another one than the household does.
func TestALeak(t *testing.T) {
	in, devices := household()
	in.Devices = append(in.Devices, rules.Device{MAC: "02:00:00:00:00:10", Policy: rules.Direct})
	l, err := tester(t, in, devices, system{}).Leaks(t.Context())
	if err != nil || l.Fine() {
		t.Fatalf("%v, %+v", err, l)
	}
	for _, c := range l.Classes {
		if !slices.Equal(c.Leaks, []string{"laptop"}) && c.ID != "dns" && c.ID != "dns-tcp" && c.ID != "ntp" {
			t.Errorf("%+v", c)
		}
	}
	in, devices = household()
	in.Default = rules.Direct
	l, _ = tester(t, in, devices, system{}).Leaks(t.Context())
	if c := of(l, "tcp"); !slices.Equal(c.Leaks, []string{"laptop", stranger}) {
		t.Errorf("%+v", c)
	}
}

// Rules that are not in the kernel prove nothing, and are no good news.
func TestOtherRulesInTheKernel(t *testing.T) {
	in, devices := household()
	for _, s := range []system{{drift: []string{"a rule is gone"}}, {wall: []string{"the wall is down"}}} {
		if l, err := tester(t, in, devices, s).Leaks(t.Context()); err != nil || l.Fine() {
			t.Errorf("%+v: %v, %+v", s, err, l)
		}
	}
	_, err := tester(t, in, devices, system{err: errors.New("no netlink")}).Leaks(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no netlink") {
		t.Errorf("%v", err)
	}
}
