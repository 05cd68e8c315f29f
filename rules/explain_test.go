package rules

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// device returns a flow from a device of house().
func device(mac, protocol, to string) Flow {
	f := Flow{In: "br-lan", MAC: mac, Protocol: protocol, To: netip.MustParseAddrPort(to), From: netip.MustParseAddr("192.168.77.10")}
	if f.To.Addr().Is6() {
		f.From = netip.MustParseAddr("2001:db8:77::10")
	}
	return f
}

func own(uid uint32, protocol, to string) Flow {
	f := Flow{UID: uid, Protocol: protocol, To: netip.MustParseAddrPort(to), From: netip.MustParseAddr("203.0.113.2")}
	if f.To.Addr().Is6() {
		f.From = netip.MustParseAddr("2001:db8:1::2")
	}
	return f
}

// elsewhere is a flow from wg0, which is no household interface.
func elsewhere(to string) Flow {
	return Flow{In: "wg0", From: netip.MustParseAddr("10.9.9.9"), Protocol: "tcp", To: netip.MustParseAddrPort(to)}
}

func local(f Flow) Flow { f.Local = true; return f }

const (
	macDirect, macOnion, macBlock, macTor = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04"
	macUnknown, macGuest                  = "02:00:00:00:00:99", "02:00:00:00:00:07"
)

func TestExplain(t *testing.T) {
	open, ownTor := scenarios()["open"], scenarios()["open-own-tor"]
	closed, guests, closedGuests := scenarios()["lockdown"], scenarios()["open-portal"], scenarios()["lockdown-portal"]
	served := scenarios()["lockdown-served"]
	named, closedNamed := scenarios()["open-named"], scenarios()["lockdown-named"]
	cases := []struct {
		name string
		in   Input
		flow Flow
		end  End
		port uint16
		mark Policy
		last string // the chain of the last step
	}{
		{"web of an unknown device", open, device(macUnknown, "tcp", "198.51.100.1:443"), Redirected, 9240, Tor, "TUNIC-CLOSED"},
		{"the same over IPv6", open, device(macUnknown, "tcp", "[2001:db8:5::1]:443"), Redirected, 9240, Tor, "TUNIC-CLOSED"},
		{"QUIC", open, device(macTor, "udp", "198.51.100.1:443"), Refused, 0, Tor, "TUNIC-REFUSE"},
		{"ping", open, device(macTor, "icmp", "198.51.100.1:0"), Refused, 0, Tor, "TUNIC-REFUSE"},
		{"GRE", open, device(macTor, "47", "198.51.100.1:0"), Dropped, 0, Tor, "policy"},
		{"a hard-coded resolver", open, device(macTor, "udp", "8.8.8.8:53"), Redirected, 9353, Tor, "TUNIC-CLOSED"},
		{"direct web", open, device(macDirect, "tcp", "198.51.100.1:443"), Passed, 0, Direct, "TUNIC-SNAT"},
		{"direct UDP", open, device(macDirect, "udp", "198.51.100.1:443"), Passed, 0, Direct, "TUNIC-SNAT"},
		{"onion's clear web", open, device(macOnion, "tcp", "198.51.100.1:443"), Passed, 0, Onion, "TUNIC-SNAT"},
		{"onion's virtual address", open, device(macOnion, "tcp", "10.192.0.7:80"), Redirected, 9240, Onion, "TUNIC-CLOSED"},
		{"onion's DNS", open, device(macOnion, "udp", "8.8.8.8:53"), Redirected, 9353, Onion, "TUNIC-CLOSED"},
		{"blocked", open, device(macBlock, "tcp", "198.51.100.1:443"), Refused, 0, Block, "TUNIC-CLOSED"},
		{"SOCKS on the box", open, local(device(macTor, "tcp", "192.168.77.1:9050")), Redirected, 9350, Tor, "TUNIC-CLOSED"},
		{"tor's port directly", open, local(device(macTor, "tcp", "192.168.77.1:9240")), Refused, 0, Tor, "TUNIC-REFUSE"},
		{"ssh to the box", open, local(device(macTor, "tcp", "192.168.77.1:22")), Passed, 0, Tor, "TUNIC-INPUT"},
		{"UDP to a virtual address", open, device(macDirect, "udp", "10.192.0.7:80"), Refused, 0, Direct, "TUNIC-REFUSE"},
		{"closed", closed, device(macDirect, "tcp", "198.51.100.1:443"), Refused, 0, Direct, "TUNIC-INPUT"},
		{"closed, the page", served, local(device(macTor, "tcp", "192.168.77.1:80")), Redirected, 9384, Tor, "TUNIC-CLOSED"},
		{"closed, the page over TLS", served, local(device(macDirect, "tcp", "[fd77:1::1]:443")), Redirected, 9385, Direct, "TUNIC-CLOSED"},
		{"closed, a name of the box", served, local(device(macTor, "udp", "192.168.77.1:53")), Redirected, 9355, Tor, "TUNIC-CLOSED"},
		{"closed, a name elsewhere", served, device(macTor, "udp", "8.8.8.8:53"), Refused, 0, Tor, "TUNIC-REFUSE"},
		{"closed, a site", served, device(macTor, "tcp", "198.51.100.1:443"), Refused, 0, Tor, "TUNIC-INPUT"},
		{"closed, SOCKS", served, local(device(macTor, "tcp", "192.168.77.1:9050")), Passed, 0, Tor, "TUNIC-INPUT"},
		{"closed, the page's port directly", served, local(device(macTor, "tcp", "192.168.77.1:9384")), Refused, 0, Tor, "TUNIC-REFUSE"},
		{"closed, the page for who is blocked", served, local(device(macBlock, "tcp", "192.168.77.1:80")), Passed, 0, Block, "TUNIC-INPUT"},
		{"closed, the page from elsewhere", served, local(elsewhere("203.0.113.2:80")), Dropped, 0, 0, "TUNIC-UPLINK"},
		{"open, the page", scenarios()["open-served"], local(device(macTor, "tcp", "192.168.77.1:80")), Redirected, 9384, Tor,
			"TUNIC-CLOSED"},
		{"open, a name", scenarios()["open-served"], local(device(macTor, "udp", "192.168.77.1:53")), Redirected, 9353, Tor,
			"TUNIC-CLOSED"},
		{"stranger's source", open, Flow{In: "br-lan", MAC: macDirect, From: netip.MustParseAddr("8.8.4.4"), Protocol: "udp",
			To: netip.MustParseAddrPort("198.51.100.1:9")}, Dropped, 0, Direct, "policy"},
		{"on an interface that has another name", open, Flow{In: "lan9", MAC: macDirect, From: netip.MustParseAddr("192.168.77.10"),
			Protocol: "udp", To: netip.MustParseAddrPort("198.51.100.1:9")}, Dropped, 0, 0, "policy"},
		{"from elsewhere to a device", open, Flow{In: "wan0", From: netip.MustParseAddr("2001:db8:5::1"), Protocol: "tcp",
			To: netip.MustParseAddrPort("[2001:db8:77::10]:80")}, Dropped, 0, 0, "policy"},
		{"nothing known", scenarios()["lockdown-early"], Flow{In: "eth9", From: netip.MustParseAddr("192.168.77.10"), Protocol: "udp",
			To: netip.MustParseAddrPort("198.51.100.1:9")}, Dropped, 0, 0, "policy"},
		{"from a network that is not named", open, elsewhere("198.51.100.1:9"), Dropped, 0, 0, "policy"},
		{"from one that is", named, elsewhere("198.51.100.1:9"), Passed, 0, 0, "TUNIC-FORWARD"},
		{"from one that is, closed", closedNamed, elsewhere("198.51.100.1:9"), Dropped, 0, 0, "policy"},
		{"from one that is to the household", named, elsewhere("192.168.77.10:9"), Dropped, 0, 0, "policy"},
		{"to the box from a network that is not named", open, local(elsewhere("203.0.113.2:80")), Dropped, 0, 0, "TUNIC-UPLINK"},
		{"to the box from one that is", named, local(elsewhere("203.0.113.2:80")), Passed, 0, 0, "TUNIC-INPUT"},

		{"portal page", guests, device(macTor, "tcp", "198.51.100.1:443"), Passed, 0, Portal, "TUNIC-SNAT"},
		{"portal's DNS", guests, device(macTor, "udp", "192.168.77.1:53"), Turned, 0, Portal, "TUNIC-SNAT"},
		{"other TCP of a guest", guests, device(macTor, "tcp", "198.51.100.1:22"), Redirected, 9240, Tor, "TUNIC-CLOSED"},
		{"QUIC of a guest", guests, device(macTor, "udp", "198.51.100.1:443"), Refused, 0, Tor, "TUNIC-REFUSE"},
		{"the other guest, elsewhere", guests, device(macGuest, "tcp", "198.51.100.1:80"), Redirected, 9240, Tor, "TUNIC-CLOSED"},
		{"the other guest, there", guests, device(macGuest, "tcp", "198.18.0.9:80"), Passed, 0, Portal, "TUNIC-SNAT"},
		{"no guest", guests, device(macUnknown, "tcp", "198.51.100.1:443"), Redirected, 9240, Tor, "TUNIC-CLOSED"},
		{"closed, portal page", closedGuests, device(macTor, "tcp", "198.51.100.1:80"), Passed, 0, Portal, "TUNIC-SNAT"},
		{"closed, portal's DNS over IPv6", closedGuests, device(macTor, "udp", "[2001:db8:9::9]:53"), Turned, 0, Portal, "TUNIC-POST"},
		{"closed, other TCP", closedGuests, device(macTor, "tcp", "198.51.100.1:22"), Refused, 0, Tor, "TUNIC-INPUT"},
		{"closed, no guest", closedGuests, device(macUnknown, "tcp", "198.51.100.1:80"), Refused, 0, Tor, "TUNIC-INPUT"},
		{"closed, a guest's virtual address", closedGuests, device(macTor, "tcp", "10.192.0.7:80"), Refused, 0, Portal, "TUNIC-INPUT"},
		{"closed, a guest's neighbour", closedGuests, device(macTor, "tcp", "192.168.77.20:80"), Refused, 0, Portal, "TUNIC-INPUT"},

		{"tor itself", ownTor, own(971, "tcp", "198.51.100.1:9001"), Passed, 0, carried, "TUNIC-POST"},
		{"tor's UDP", ownTor, own(971, "udp", "198.51.100.1:9001"), Refused, 0, 0, "TUNIC-REFUSE"},
		{"the box's web", ownTor, own(0, "tcp", "198.51.100.1:443"), Redirected, 9240, 0, "TUNIC-POST"},
		{"the box's DNS", ownTor, own(0, "udp", "9.9.9.9:53"), Redirected, 9354, 0, "TUNIC-POST"},
		{"the box's UDP", ownTor, own(0, "udp", "198.51.100.1:9001"), Refused, 0, 0, "TUNIC-REFUSE"},
		{"the box's question for the time", ownTor, own(0, "udp", "198.51.100.1:123"), Redirected, 9324, 0, "TUNIC-POST"},
		{"tor's question for the time", ownTor, own(971, "udp", "198.51.100.1:123"), Refused, 0, 0, "TUNIC-REFUSE"},
		{"the owner's exception", ownTor, own(0, "udp", "203.0.113.123:123"), Passed, 0, 0, "TUNIC-POST"},
		{"the box's web, direct", open, own(0, "tcp", "198.51.100.1:443"), Passed, 0, 0, "TUNIC-POST"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e, err := Explain(mustCompile(t, c.in), c.flow)
			if err != nil {
				t.Fatal(err)
			}
			last := ""
			if n := len(e.Steps); n > 0 {
				last = e.Steps[n-1].Chain
			}
			if e.End != c.end || e.Port != c.port || e.Mark != c.mark || last != c.last {
				t.Errorf("%s, port %d, mark %v, last %s; want %s, %d, %v, %s\n%v",
					e.End, e.Port, e.Mark, last, c.end, c.port, c.mark, c.last, e.Steps)
			}
		})
	}
}

func TestPolicyOf(t *testing.T) {
	in := house()
	if a, b := in.PolicyOf("02:00:00:00:00:03"), in.PolicyOf("02:00:00:00:00:33"); a != Block || b != Tor {
		t.Errorf("%v, %v", a, b)
	}
	if text := mustCompile(t, in).Text(IPv4, "raw"); text != "" {
		t.Errorf("a table that there is not: %q", text)
	}
}

// A step names a rule that stands there.
func TestStepsAreRules(t *testing.T) {
	set := mustCompile(t, house())
	e, err := Explain(set, device(macTor, "udp", "198.51.100.1:443"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range e.Steps {
		if got := rulesOf(t, set, s.Family, s.Table, s.Chain)[s.Number-1]; got != s.Rule {
			t.Errorf("%v: the rule there is %q", s, got)
		}
	}
}

// Explain knows every word that Compile writes, in every scenario.
func TestExplainKnowsAllRules(t *testing.T) {
	for name, in := range scenarios() {
		set := mustCompile(t, in)
		w := walk{set: set, Flow: device(macTor, "tcp", "198.51.100.1:443")}
		for _, tab := range set.Tables {
			for _, c := range tab.Chains {
				for _, rule := range c.Rules {
					_, target, err := w.match(rule)
					if err != nil || len(target) < 2 {
						t.Errorf("%s: %s %q: %v", name, c.Name, rule, err)
					}
				}
			}
		}
	}
}

func TestExplainRefusesStrangeRules(t *testing.T) {
	for rule, want := range map[string]string{
		"": "it has no target", "-p": "it ends in the middle", "-p tcp": "it has no target", "!": "it ends in the middle",
		"-p tcp !":              "it ends in the middle",
		"-m x --what 1 -j DROP": "", "-j": "it ends in the middle", "-j ELSEWHERE": "unknown target ELSEWHERE",
		"-j TUNIC-NOWHERE":            "there is no chain TUNIC-NOWHERE",
		"-j CONNMARK --set-xmark x/1": "", "--tcp-flags SYN -j DROP": "", "--tcp-flags SYN": "it ends in the middle", "-j DNAT": "",
		"-j CONNMARK --set-xmark": "",
	} {
		set := mustCompile(t, house())
		for i, tab := range set.Tables {
			if tab.Family == IPv4 && tab.Name == "mangle" {
				j := slices.IndexFunc(tab.Chains, func(c Chain) bool { return c.Name == chainClassify })
				set.Tables[i].Chains[j].Rules = []string{rule}
			}
		}
		if e, err := Explain(set, device(macTor, "tcp", "198.51.100.1:443")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, and not %q", rule, e, err, want)
		}
	}
}

// Where no chain of ours is, a packet goes on.
func TestExplainPassesOtherHooks(t *testing.T) {
	w := walk{set: mustCompile(t, house()), family: IPv4, Flow: device(macBlock, "tcp", "198.51.100.1:443")}
	if ended, err := w.hook("raw", "PREROUTING"); ended || err != nil || len(w.Steps) > 0 {
		t.Errorf("ended: %v, %v, %v", ended, w.Steps, err)
	}
}

func FuzzMatch(f *testing.F) {
	for _, rule := range []string{"-j DROP", "-s 192.168.77.0/24 -i br-lan -m conntrack --ctstate DNAT -j RETURN", "! ! -j",
		"-m connmark ! --mark 0x4000000/0xf000000 -j X"} {
		f.Add(rule)
	}
	w := walk{Flow: device(macTor, "tcp", "198.51.100.1:443")}
	f.Fuzz(func(t *testing.T, rule string) {
		_, target, err := w.match(rule)
		if err == nil && !strings.Contains(rule, target[0]) {
			t.Errorf("%q has no target %v", rule, target)
		}
	})
}
