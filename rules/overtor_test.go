package rules

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// What tor's uid may send depends on the bridges' transports alone.
func TestTorUDP(t *testing.T) {
	for udp, want := range map[TorUDP][]string{
		NoUDP:    {"-p tcp -m owner --uid-owner 971 -j RETURN"},
		NamesUDP: {"-p tcp -m owner --uid-owner 971 -j RETURN", "-p udp -m udp --dport 53 -m owner --uid-owner 971 -j RETURN"},
		AnyUDP:   {"-p tcp -m owner --uid-owner 971 -j RETURN", "-p udp -m owner --uid-owner 971 -j RETURN"},
	} {
		for _, mode := range []Mode{Lockdown, Open} {
			in := house()
			in.Mode, in.TorUDP = mode, udp
			for _, f := range Families() {
				got := chainRules(t, mustCompile(t, in), f, "filter", chainOutput)
				n := slices.IndexFunc(got, func(rule string) bool { return !strings.Contains(rule, "--uid-owner") })
				if !slices.Equal(got[:n], want) {
					t.Errorf("%v, mode %v, udp %d: %q", f, mode, udp, got[:n])
				}
			}
		}
	}
}

func chainRules(t *testing.T, set Ruleset, f Family, table, chain string) []string {
	t.Helper()
	c, ok := set.chain(Table{Family: f, Name: table}, chain)
	if !ok {
		t.Fatalf("no chain %s", chain)
	}
	return c.Rules
}

// A device's connection to a relay counts as direct, if it would go through Tor.
func TestPass(t *testing.T) {
	in := scenarios()["open-over-tor"]
	four := "-s 192.168.77.10 -d 203.0.113.11 -p tcp -m tcp --dport 9001 -m connmark --mark 0x1000000/0xf000000 -j CONNMARK --set-xmark 0x3000000/0xf000000"
	for f, want := range map[Family]string{IPv4: four, IPv6: strings.NewReplacer("192.168.77.10", "2001:db8:77::10", "203.0.113.11", "2001:db8:1::11").Replace(four)} {
		got := chainRules(t, mustCompile(t, in), f, "mangle", chainDevice)
		if got[len(got)-1] != want || strings.Count(strings.Join(got, "\n"), "--dport") != 1 {
			t.Errorf("%v: %q", f, got)
		}
	}
	in.Mode = Lockdown
	if got := mustCompile(t, in).String(); strings.Contains(got, "203.0.113.11") {
		t.Error("a closed household reaches a relay")
	}
}

func TestPassRefuses(t *testing.T) {
	from, to := netip.MustParseAddr("192.168.77.10"), netip.MustParseAddrPort("203.0.113.11:9001")
	for name, change := range map[string]func(*Input){
		"not allowed": func(in *Input) { in.OverTor = false },
		"families":    func(in *Input) { in.Passes = []Pass{{from, netip.MustParseAddrPort("[2001:db8::1]:1")}} },
		"no port":     func(in *Input) { in.Passes = []Pass{{from, netip.AddrPortFrom(to.Addr(), 0)}} },
		"loopback":    func(in *Input) { in.Passes = []Pass{{from, netip.MustParseAddrPort("127.0.0.1:9240")}} },
		"a home's":    func(in *Input) { in.Passes = []Pass{{from, netip.MustParseAddrPort("10.1.2.3:9001")}} },
		"nobody":      func(in *Input) { in.Passes = []Pass{{netip.Addr{}, to}} },
		"zone": func(in *Input) {
			in.Passes = []Pass{{netip.MustParseAddr("fe80::1%x"), netip.MustParseAddrPort("[2001:db8::1]:1")}}
		},
	} {
		in := scenarios()["open-over-tor"]
		change(&in)
		if _, err := Compile(in); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}
