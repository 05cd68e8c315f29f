package rules

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// What devices send to names of a network beside Tor goes to serve, and nowhere else:
// not outside by a policy or a bypass, and not to tor.
func TestNetworkBesideTor(t *testing.T) {
	all := scenarios()
	open, closed := all["open-beside"], all["lockdown-beside"]
	open.Bypasses = []Bypass{{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.193.0.0/24"), netip.MustParsePrefix("203.0.113.0/24")}}}
	ownTor := open
	ownTor.OwnTor = true
	from := func(mac, protocol, to string) Flow {
		return Flow{In: "br-lan", MAC: mac, From: netip.MustParseAddr("192.168.77.10"), To: netip.MustParseAddrPort(to), Protocol: protocol}
	}
	for name, tc := range map[string]struct {
		in   Input
		flow Flow
		want End
		port uint16
	}{
		"tor":                  {open, from("02:00:00:00:00:04", "tcp", "10.193.0.7:80"), Redirected, 9348},
		"any port":             {open, from("02:00:00:00:00:05", "tcp", "10.193.200.7:6667"), Redirected, 9348},
		"direct":               {open, from("02:00:00:00:00:01", "tcp", "10.193.0.7:80"), Redirected, 9348},
		"onion":                {open, from("02:00:00:00:00:02", "tcp", "10.193.0.7:80"), Redirected, 9348},
		"blocked":              {open, from("02:00:00:00:00:03", "tcp", "10.193.0.7:80"), Refused, 0},
		"UDP":                  {open, from("02:00:00:00:00:01", "udp", "10.193.0.7:80"), Refused, 0},
		"a guest":              {open, from("02:00:00:00:00:07", "tcp", "10.193.0.7:80"), Redirected, 9348},
		"an onion beside it":   {open, from("02:00:00:00:00:04", "tcp", "10.192.0.7:80"), Redirected, 9240},
		"a bypass beside it":   {open, from("02:00:00:00:00:05", "tcp", "203.0.113.7:80"), Passed, 0},
		"closed":               {closed, from("02:00:00:00:00:01", "tcp", "10.193.0.7:80"), Refused, 0},
		"a guest while closed": {closed, from("02:00:00:00:00:04", "tcp", "10.193.0.7:80"), Refused, 0},
		"the box, direct":      {open, Flow{UID: 1000, To: netip.MustParseAddrPort("10.193.0.7:80"), Protocol: "tcp"}, Refused, 0},
		"the box, closed":      {closed, Flow{UID: 1000, To: netip.MustParseAddrPort("10.193.0.7:80"), Protocol: "tcp"}, Refused, 0},
		"the box, its UDP": {ownTor, Flow{UID: 1000, To: netip.MustParseAddrPort("10.193.0.7:80"), Protocol: "udp"},
			Refused, 0},
	} {
		e, err := Explain(mustCompile(t, tc.in), tc.flow)
		if err != nil || e.End != tc.want || e.Port != tc.port {
			t.Errorf("%s: %s %d, %v; want %s %d\n%v", name, e.End, e.Port, err, tc.want, tc.port, e.Steps)
		}
	}
}

// Nobody dials serve's port for such a network who was not led there.
func TestNetworkPortIsClosed(t *testing.T) {
	e, err := Explain(mustCompile(t, scenarios()["open-beside"]), Flow{In: "br-lan", MAC: "02:00:00:00:00:04", Local: true,
		From: netip.MustParseAddr("192.168.77.10"), To: netip.MustParseAddrPort("192.168.77.1:9348"), Protocol: "tcp"})
	if err != nil || e.End != Refused {
		t.Errorf("%v, %v", e, err)
	}
}

// The last net holds without the other chains: nothing to or from these addresses leaves.
func TestNetworkLastNet(t *testing.T) {
	for _, name := range []string{"open-beside", "lockdown-beside"} {
		post := chainRules(t, mustCompile(t, scenarios()[name]), IPv4, "mangle", chainPost)
		for _, rule := range []string{"-s 10.193.0.0/16 -j DROP", "-d 10.193.0.0/16 -j DROP"} {
			if !slices.Contains(post, rule) {
				t.Errorf("%s lacks %s", name, rule)
			}
		}
	}
}

// A network beside Tor adds its rules and changes none.
func TestNetworkAddsOnly(t *testing.T) {
	for name, in := range scenarios() {
		in.Networks = nil
		one := strings.Split(mustCompile(t, in).String(), "\n")
		in.Networks = []Network{{Range: netip.MustParsePrefix("10.193.0.0/16"), Port: 9348}}
		rest := slices.DeleteFunc(strings.Split(mustCompile(t, in).String(), "\n"), func(rule string) bool {
			return strings.Contains(rule, "10.193.0.0/16") || strings.Contains(rule, "9348")
		})
		if !slices.Equal(one, rest) {
			t.Errorf("%s: %s", name, firstDifference(strings.Join(one, "\n"), strings.Join(rest, "\n")))
		}
	}
}

func TestImpossibleNetworks(t *testing.T) {
	for _, tc := range []struct {
		n    Network
		want string
	}{
		{Network{Port: 9348}, "no IPv4 network"},
		{Network{Range: netip.MustParsePrefix("fd00::/64")}, "no IPv4 network"},
		{Network{Range: netip.MustParsePrefix("127.64.0.0/16")}, "no IPv4 network"},
		{Network{Range: netip.MustParsePrefix("10.193.0.1/16")}, "no IPv4 network"},
		{Network{Range: netip.MustParsePrefix("10.192.0.0/17")}, "overlaps"},
		{Network{Range: netip.MustParsePrefix("192.168.0.0/16")}, "overlaps"},
		{Network{Range: netip.MustParsePrefix("10.193.0.0/16"), Port: 9353}, "is taken"},
		{Network{Range: netip.MustParsePrefix("10.193.0.0/16"), Port: 9240}, "is taken"},
	} {
		in := house()
		in.Networks = []Network{tc.n}
		if _, err := Compile(in); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: %v, want %q in it", tc.n, err, tc.want)
		}
	}
	in := house()
	in.Networks = []Network{{netip.MustParsePrefix("10.193.0.0/16"), 9348}, {netip.MustParsePrefix("10.194.0.0/16"), 9348}}
	if _, err := Compile(in); err == nil {
		t.Error("two networks on one port")
	}
}
