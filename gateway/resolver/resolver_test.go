package resolver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A name goes to Tor or is answered here; the fake tor refuses what it cannot
// carry, and an empty list of what it was asked means that nothing left.
func TestNames(t *testing.T) {
	tor := &upstream{strict: torStrict, dig: torNames(
		"www.example.com. 300 A 93.184.216.34",
		"www.example.com. 300 AAAA 2606:2800::1",
		"v4.example.com. 5 A 93.184.216.35",
		"long.example.com. 999999 A 93.184.216.36",
		"8.8.8.8.in-addr.arpa. 300 PTR dns.google.",
		testOnion+". 3600 A 10.192.0.9",
		testOnion+". 3600 AAAA fdaa:bbbb:cccc::9",
		"www."+testOnion+". 60 A 10.192.0.10",
		"rebind4.example.com. 300 A 192.168.77.20",
		"rebind6.example.com. 300 AAAA fd77::20",
		"rebindlo.example.com. 300 A 127.0.0.1",
		"rebindgua.example.com. 300 AAAA 2001:db8:77::20",
		"rebindmapped.example.com. 300 AAAA ::ffff:192.168.77.20",
		"rebindvirtual.example.com. 300 A 10.192.0.9",
		"rebindll.example.com. 300 AAAA fe80::1",
		"mixed.example.com. 300 A 10.0.0.1", "mixed.example.com. 300 A 93.184.216.37",
	)}
	h := newHome(t, testConfig, tor)
	key := strings.TrimSuffix(testOnion, ".onion")
	for _, tc := range []struct {
		name  string
		qtype uint16
		want  string
		asked string // what tor was asked for it, as since has it
	}{
		{"www.example.com", dns.TypeA, "NOERROR 93.184.216.34", both("www.example.com.")},
		{"WWW.eXample.com", dns.TypeAAAA, "NOERROR 2606:2800::1", ""},
		{"v4.example.com", dns.TypeAAAA, "NOERROR", both("v4.example.com.")},
		{"none.example.com", dns.TypeA, "NXDOMAIN", both("none.example.com.")},
		{"8.8.8.8.in-addr.arpa", dns.TypePTR, "NOERROR dns.google.", "PTR 8.8.8.8.in-addr.arpa."},
		{"9.8.8.8.in-addr.arpa", dns.TypePTR, "NXDOMAIN", "PTR 9.8.8.8.in-addr.arpa."},
		{"8.8.8.8.in-addr.arpa", dns.TypeA, "NOERROR", ""},

		{"www.example.com", dns.TypeMX, "NOERROR", ""},
		{"www.example.com", dns.TypeTXT, "NOERROR", ""},
		{"www.example.com", dns.TypeHTTPS, "NOERROR", ""},
		{"_sip._tcp.example.com", dns.TypeSRV, "NOERROR", ""},
		{"example.com", dns.TypeDNSKEY, "NOERROR", ""},
		{"example.com", 65280, "NOERROR", ""},
		{"example.com", dns.TypeANY, `NOERROR "RFC8482" ""`, ""},
		{"example.com", dns.TypeAXFR, "REFUSED", ""},
		{".", dns.TypeNS, "NOERROR", ""},

		{testOnion, dns.TypeA, "NOERROR 10.192.0.9", "A " + testOnion + "."},
		{strings.ToUpper(testOnion), dns.TypeAAAA, "NOERROR fdaa:bbbb:cccc::9", "AAAA " + testOnion + "."},
		{"www." + testOnion, dns.TypeA, "NOERROR 10.192.0.10", "A www." + testOnion + "."},
		{testOnion, dns.TypeMX, "NOERROR", ""},
		{testOnion, dns.TypeANY, "NOERROR", ""},
		{"foo.onion", dns.TypeA, "NXDOMAIN", ""},
		{"b" + testOnion[1:], dns.TypeA, "NXDOMAIN", ""},
		{testOnion[1:], dns.TypeA, "NXDOMAIN", ""},
		{"onion", dns.TypeA, "NOERROR", ""},
		{key + `\.onion`, dns.TypeA, "NXDOMAIN", ""},
		{`a\.b.` + testOnion, dns.TypeA, "NXDOMAIN", ""},
		{`a\000.` + testOnion, dns.TypeA, "NXDOMAIN", ""},
		{testOnion + ".exit", dns.TypeA, "NXDOMAIN", ""},
		{testOnion + ".lan", dns.TypeA, "NXDOMAIN", ""},

		{"printer", dns.TypeA, "NXDOMAIN", ""},
		{"wpad", dns.TypeA, "NXDOMAIN", ""},
		{"printer.local", dns.TypeA, "NXDOMAIN", ""},
		{"local", dns.TypeSOA, "NXDOMAIN", ""},
		{"nas.lan", dns.TypeA, "NXDOMAIN", ""},
		{"nas.home.arpa", dns.TypeA, "NXDOMAIN", ""},
		{"home.arpa", dns.TypeA, "NOERROR", ""},
		{"x.test", dns.TypeA, "NXDOMAIN", ""},
		{"x.invalid", dns.TypeMX, "NXDOMAIN", ""},
		{"x.internal", dns.TypeA, "NXDOMAIN", ""},
		{"x.alt", dns.TypeA, "NXDOMAIN", ""},
		{"stats.i2p", dns.TypeA, "NXDOMAIN", ""},
		{"grothoff.gnu", dns.TypeAAAA, "NXDOMAIN", ""},
		{"d.bit", dns.TypeA, "NXDOMAIN", ""},
		{"vitalik.eth", dns.TypeA, "NXDOMAIN", ""},
		{"x.loki", dns.TypeA, "NXDOMAIN", ""},
		{"x.ygg", dns.TypeAAAA, "NXDOMAIN", ""},
		{"_dns.resolver.arpa", dns.TypeSVCB, "NOERROR", ""},
		{"resolver.arpa", dns.TypeA, "NOERROR", ""},
		{"notresolver.arpa", dns.TypeA, "NXDOMAIN", ""},
		{"ipv4only.arpa", dns.TypeAAAA, "NOERROR", ""},
		{"ipv4only.arpa", dns.TypeA, "NOERROR 192.0.0.170 192.0.0.171", ""},
		{"192.168.77.20", dns.TypeA, "NXDOMAIN", ""},
		{"foo.0x7f", dns.TypeA, "NXDOMAIN", ""},
		{"with space.example.com", dns.TypeA, "NXDOMAIN", ""},

		{"20.77.168.192.in-addr.arpa", dns.TypePTR, "NXDOMAIN", ""},
		{"1.0.192.10.in-addr.arpa", dns.TypePTR, "NXDOMAIN", ""},
		{"1.0.0.127.in-addr.arpa", dns.TypePTR, "NOERROR box.home.arpa.", ""}, // in this test the box is 127.0.0.1
		{"2.0.0.127.in-addr.arpa", dns.TypePTR, "NXDOMAIN", ""},
		{"1.77.168.192.in-addr.arpa", dns.TypePTR, "NOERROR box.home.arpa.", ""},
		{"lb._dns-sd._udp.0.77.168.192.in-addr.arpa", dns.TypePTR, "NXDOMAIN", ""},
		{"b._dns-sd._udp.8.8.8.8.in-addr.arpa", dns.TypePTR, "NXDOMAIN", ""},
		{"8.8.in-addr.arpa", dns.TypePTR, "NXDOMAIN", ""},
		{strings.Repeat("0.", 28) + "0.0.d.f.ip6.arpa", dns.TypePTR, "NXDOMAIN", ""},

		{"localhost", dns.TypeA, "NOERROR 127.0.0.1", ""},
		{"a.localhost", dns.TypeAAAA, "NOERROR ::1", ""},
		{"localhost", dns.TypeMX, "NOERROR", ""},
		{"box.home.arpa", dns.TypeA, "NOERROR 127.0.0.1", ""},
		{"BOX.home.arpa", dns.TypeAAAA, "NOERROR fd77::1 2001:db8:77::1", ""},
		{"box.home.arpa", dns.TypeTXT, "NOERROR", ""},
		{"use-application-dns.net", dns.TypeA, "NXDOMAIN", ""},
		{"mask.icloud.com", dns.TypeAAAA, "NXDOMAIN", ""},
		{"mask-h2.icloud.com", dns.TypeHTTPS, "NXDOMAIN", ""},

		{"rebind4.example.com", dns.TypeA, "NOERROR", both("rebind4.example.com.")},
		{"rebind6.example.com", dns.TypeAAAA, "NOERROR", both("rebind6.example.com.")},
		{"rebindlo.example.com", dns.TypeA, "NOERROR", both("rebindlo.example.com.")},
		{"rebindgua.example.com", dns.TypeAAAA, "NOERROR", both("rebindgua.example.com.")},
		{"rebindmapped.example.com", dns.TypeAAAA, "NOERROR", both("rebindmapped.example.com.")},
		{"rebindvirtual.example.com", dns.TypeA, "NOERROR", both("rebindvirtual.example.com.")},
		{"rebindll.example.com", dns.TypeAAAA, "NOERROR", both("rebindll.example.com.")},
		{"mixed.example.com", dns.TypeA, "NOERROR 93.184.216.37", both("mixed.example.com.")},
	} {
		before := tor.count()
		m := h.ask(t, "", "udp", tc.name, tc.qtype)
		if got := brief(m); got != tc.want {
			t.Errorf("%s %s: %s, want %s", dns.TypeToString[tc.qtype], tc.name, got, tc.want)
		}
		wanted := 0
		if tc.asked != "" {
			wanted = 1 + strings.Count(tc.asked, ",")
		}
		if asked := tor.since(before, wanted); asked != tc.asked {
			t.Errorf("%s %s: tor was asked %q, want %q", dns.TypeToString[tc.qtype], tc.name, asked, tc.asked)
		}
	}
}

func TestTimesToLive(t *testing.T) {
	h := newHome(t, testConfig, &upstream{strict: torStrict, dig: torNames(
		"short.example.com. 1 A 93.184.216.35",
		"long.example.com. 999999 A 93.184.216.36",
		testOnion+". 3600 A 10.192.0.9",
	)})
	for name, want := range map[string]uint32{"short.example.com": 10, "long.example.com": 3600, testOnion: 60} {
		begin := time.Now()
		for range 2 { // from tor, then from the cache
			m := h.ask(t, "", "udp", name, dns.TypeA)
			if len(m.Answer) != 1 {
				t.Fatalf("%s: %v", name, brief(m))
			}
			if got := m.Answer[0].Header().Ttl; got > want || got+1+uint32(time.Since(begin).Seconds()) < want {
				t.Errorf("%s: time to live %d, want %d", name, got, want)
			}
		}
	}
}

// An onion that tor does not map into the virtual range is a failure: any
// other address would send the device somewhere else.
func TestOnionOutsideVirtualRange(t *testing.T) {
	h := newHome(t, testConfig, &upstream{strict: torStrict, dig: torNames(testOnion + ". 60 A 93.184.216.34")})
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if got := brief(h.ask(t, "", "udp", testOnion, qtype)); got != "SERVFAIL" {
			t.Errorf("%s: %s", dns.TypeToString[qtype], got)
		}
	}
	if got := h.Stats().Failed; got != 2 {
		t.Errorf("%d failures counted", got)
	}
}

func TestBoxAnswersFromTheClientsPrefix(t *testing.T) {
	s, err := newState(Options{}, Config{Box: []netip.Prefix{
		netip.MustParsePrefix("192.168.77.1/24"), netip.MustParsePrefix("192.168.78.1/24"), netip.MustParsePrefix("fd77::1/64"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	q := dns.Question{Name: "Box.home.arpa.", Qtype: dns.TypeA, Qclass: dns.ClassINET}
	for client, want := range map[string]string{
		"192.168.78.10": "NOERROR 192.168.78.1",
		"fe80::1":       "NOERROR 192.168.77.1 192.168.78.1",
	} {
		to := s.route(netip.MustParseAddr(client), q)
		if got := brief(&dns.Msg{Answer: to.rrs}); got != want {
			t.Errorf("client %s: %s, want %s", client, got, want)
		}
		if name := to.rrs[0].Header().Name; name != q.Name {
			t.Errorf("the record is for %s, not for the name as it was asked", name)
		}
	}
}

func TestHomeNamesAndAddresses(t *testing.T) {
	c := testConfig.Clone()
	c.Forward = []Forward{{"example.org", netip.MustParseAddrPort("192.168.77.5:53")}}
	h := newHome(t, c, nil)
	for name, want := range map[string]bool{
		"www.example.com": false, testOnion: false, "www." + testOnion + ".": false,
		"printer": true, "nas.lan": true, "box.home.arpa": true, "foo.onion": true, "localhost": true,
		"www.example.org": true, "1.2.3.4": true, "": true, "a..b": true, "mask.icloud.com": true,
	} {
		if got := h.HomeName(name); got != want {
			t.Errorf("HomeName(%q) = %v", name, got)
		}
	}
	for addr, want := range map[string]bool{
		"93.184.216.34": false, "203.0.113.80": false, "2001:db8::80": false, "10.192.0.9": false, "fdaa:bbbb:cccc::9": false,
		"10.1.2.3": true, "192.168.77.20": true, "127.0.0.1": true, "::1": true, "::": true, "fe80::1%eth0": true,
		"2001:db8:77::20": true, "::ffff:192.168.1.1": true, "224.0.0.251": true, "ff02::fb": true, "169.254.1.1": true,
		"64:ff9b::c0a8:101": true, "2002:c0a8:101::1": true, "255.255.255.255": true, "100.64.0.1": true,
	} {
		if got := h.HomeAddr(netip.MustParseAddr(addr)); got != want {
			t.Errorf("HomeAddr(%s) = %v", addr, got)
		}
	}
}

func TestImpossibleConfig(t *testing.T) {
	server := netip.MustParseAddrPort("192.168.77.5:53")
	for want, f := range map[string][]Forward{
		"around Tor":      {{".", server}},
		"only ever asked": {{"Onion", server}},
		"asked of Tor":    {{testOnion, server}},
		"not a domain":    {{"a..b", server}},
		"address of a":    {{"lan", netip.AddrPort{}}},
		"of a server":     {{"lan", netip.MustParseAddrPort("0.0.0.0:53")}},
		"there twice":     {{"lan", server}, {"LAN.", server}},
	} {
		if _, err := newState(Options{}, Config{Forward: f}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want an error with %q", f, err, want)
		}
	}
	h := newHome(t, testConfig, nil)
	if err := h.Set(Config{Forward: []Forward{{".", server}}}); err == nil {
		t.Error("Set took it")
	}
	if got := brief(h.ask(t, "", "udp", "box.home.arpa", dns.TypeA)); got != "NOERROR 127.0.0.1" {
		t.Errorf("after a refused Set: %s", got)
	}
	if _, err := New(Options{}, testConfig); err == nil {
		t.Error("New works without what it needs")
	}
}
