package rules

import (
	"net/netip"
	"strings"
	"testing"
)

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
	four := "-s 192.168.77.10 -d 203.0.113.11 -p tcp -m tcp --dport 9001 -m connmark --mark 0x1000000/0xf000000 -j CONNMARK --set-xmark " +
		"0x3000000/0xf000000"
	for f, want := range map[Family]string{IPv4: four,
		IPv6: strings.NewReplacer("192.168.77.10", "2001:db8:77::10", "203.0.113.11", "2001:db8:1::11").Replace(four)} {
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
