package resolver

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"tunic/gateway/onion"
)

// Onions of the tests: a friend's home, what they have granted, and our own.
var (
	aliceKey  = string(onion.FromPublicKey([]byte(strings.Repeat("a", 32))))
	photosKey = string(onion.FromPublicKey([]byte(strings.Repeat("p", 32))))
	ownKey    = string(onion.FromPublicKey([]byte(strings.Repeat("o", 32))))
)

func namedConfig() Config {
	c := testConfig
	c.Names = []Name{
		{Onion: onion.Address(ownKey), Box: true},
		{Label: "alice", Onion: onion.Address(aliceKey),
			Addrs: []netip.Addr{netip.MustParseAddr("10.192.1.0"), netip.MustParseAddr("fdaa:bbbb:cccc::100")}},
		{Label: "photos.alice", Onion: onion.Address(photosKey),
			Addrs: []netip.Addr{netip.MustParseAddr("10.192.1.1"), netip.MustParseAddr("fdaa:bbbb:cccc::101")}},
	}
	return c
}

// Names of friends and our own exist whatever they are asked for, have
// addresses of both families, and never reach Tor. Global names of others are
// asked of tor as onions.
func TestPeerNames(t *testing.T) {
	stranger := strings.TrimSuffix(testOnion, ".onion")
	tor := &upstream{strict: torStrict, dig: torNames(testOnion+". 3600 A 10.192.0.9", testOnion+". 3600 AAAA fdaa:bbbb:cccc::9")}
	h := newHome(t, namedConfig(), tor)
	for _, tc := range []struct {
		name  string
		qtype uint16
		want  string
		asked string
	}{
		{"alice.peer.home.arpa", dns.TypeA, "NOERROR 10.192.1.0", ""},
		{"ALICE.Peer.Home.Arpa", dns.TypeAAAA, "NOERROR fdaa:bbbb:cccc::100", ""},
		{"alice.peer.home.arpa", dns.TypeMX, "NOERROR", ""},
		{"alice.peer.home.arpa", dns.TypeHTTPS, "NOERROR", ""},
		{"alice.peer.home.arpa", dns.TypeANY, "NOERROR", ""},
		{"_xmpp-client._tcp.alice.peer.home.arpa", dns.TypeSRV, "NOERROR", ""},
		{"_tcp.alice.peer.home.arpa", dns.TypeA, "NOERROR", ""},
		{"photos.alice.peer.home.arpa", dns.TypeA, "NOERROR 10.192.1.1", ""},
		{"other.alice.peer.home.arpa", dns.TypeA, "NOERROR", ""},
		{aliceKey + ".peer.home.arpa", dns.TypeA, "NOERROR 10.192.1.0", ""},
		{"rooms." + aliceKey + ".peer.home.arpa", dns.TypeA, "NOERROR 10.192.1.0", ""},
		{"_x." + aliceKey + ".peer.home.arpa", dns.TypeA, "NOERROR", ""},
		{aliceKey + ".onion", dns.TypeAAAA, "NOERROR fdaa:bbbb:cccc::100", ""},
		{"www." + aliceKey + ".onion", dns.TypeA, "NOERROR 10.192.1.0", ""},
		{"0.1.192.10.in-addr.arpa", dns.TypePTR, "NOERROR alice.peer.home.arpa.", ""},
		{"1.1.192.10.in-addr.arpa", dns.TypePTR, "NOERROR photos.alice.peer.home.arpa.", ""},
		{"1.1.192.10.in-addr.arpa", dns.TypeA, "NOERROR", ""},

		{ownKey + ".peer.home.arpa", dns.TypeA, "NOERROR 127.0.0.1", ""},
		{ownKey + ".peer.home.arpa", dns.TypeAAAA, "NOERROR fd77::1 2001:db8:77::1", ""},
		{ownKey + ".onion", dns.TypeA, "NOERROR 127.0.0.1", ""},
		{ownKey + ".onion", dns.TypeTXT, "NOERROR", ""},
		{"box.home.arpa", dns.TypeA, "NOERROR 127.0.0.1", ""},
		{"box.home.arpa", dns.TypeMX, "NOERROR", ""},

		{stranger + ".peer.home.arpa", dns.TypeA, "NOERROR 10.192.0.9", "A " + testOnion + "."},
		{strings.ToUpper(stranger) + ".peer.home.arpa", dns.TypeAAAA, "NOERROR fdaa:bbbb:cccc::9", "AAAA " + testOnion + "."},
		{"www." + stranger + ".peer.home.arpa", dns.TypeA, "NOERROR 10.192.0.9", "A " + testOnion + "."},
		{stranger + ".peer.home.arpa", dns.TypeSRV, "NOERROR", ""},
		{"_x._tcp." + stranger + ".peer.home.arpa", dns.TypeA, "NOERROR", ""},
		{"b" + stranger[1:] + ".peer.home.arpa", dns.TypeA, "NXDOMAIN", ""},
		{"bob.peer.home.arpa", dns.TypeA, "NXDOMAIN", ""},
		{"peer.home.arpa", dns.TypeA, "NOERROR", ""},
		{"peer.home.arpa", dns.TypeSOA, "NOERROR", ""},
	} {
		before := tor.count()
		reply := h.ask(t, "", "udp", tc.name, tc.qtype)
		tor.mu.Lock()
		asked := strings.Join(tor.asked[before:], ", ")
		tor.mu.Unlock()
		if got := brief(reply); got != tc.want || asked != tc.asked {
			t.Errorf("%s %s: %s, tor was asked %q; want %s, %q", tc.name, dns.TypeToString[tc.qtype], got, asked, tc.want, tc.asked)
		}
		for _, rr := range reply.Answer {
			if !strings.EqualFold(rr.Header().Name, tc.name+".") {
				t.Errorf("%s: the answer is about %s", tc.name, rr.Header().Name)
			}
		}
	}
}

func TestOnionName(t *testing.T) {
	r := newHome(t, namedConfig(), nil).Resolver
	for name, want := range map[string]string{
		"alice.peer.home.arpa": aliceKey, "Alice.peer.home.arpa.": aliceKey, "photos.alice.peer.home.arpa": photosKey,
		aliceKey + ".peer.home.arpa": aliceKey, "x." + aliceKey + ".peer.home.arpa": aliceKey,
		strings.TrimSuffix(testOnion, ".onion") + ".peer.home.arpa": strings.TrimSuffix(testOnion, ".onion"),
		"x.alice.peer.home.arpa":                                    "", "bob.peer.home.arpa": "", ownKey + ".peer.home.arpa": "",
		"box.home.arpa":     "",
		aliceKey + ".onion": "", "example.com": "", "_x.alice.peer.home.arpa": "", "": "", "a..b": "",
	} {
		if want != "" {
			want = onion.Address(want).Host()
		}
		if got := r.OnionName(name); got != want {
			t.Errorf("OnionName(%q) = %q, want %q", name, got, want)
		}
		if want != "" && r.HomeName(want) {
			t.Errorf("the proxy refuses %q", want)
		}
	}
	if !r.HomeName(ownKey+".onion") || r.HomeName("www."+aliceKey+".onion") || !r.HomeName("alice.peer.home.arpa") {
		t.Error("HomeName of our own, of a friend, or of a petname")
	}
}

// A change of the names takes effect at once, and is a change.
func TestNamesChange(t *testing.T) {
	h := newHome(t, namedConfig(), nil)
	c := namedConfig()
	c.Names[1].Label = "ali"
	if c.Equal(namedConfig()) {
		t.Error("the configurations are equal")
	}
	if err := h.Set(c); err != nil {
		t.Fatal(err)
	}
	if got := brief(h.ask(t, "", "udp", "ali.peer.home.arpa", dns.TypeA)); got != "NOERROR 10.192.1.0" {
		t.Errorf("the new name: %s", got)
	}
	if got := brief(h.ask(t, "", "udp", "alice.peer.home.arpa", dns.TypeA)); got != "NXDOMAIN" {
		t.Errorf("the old name: %s", got)
	}
}

// The house's own onions have names in it, which lead to tor as the names of all
// other onions do, for programs that ask the proxy too.
func TestOwnNames(t *testing.T) {
	c := namedConfig()
	c.Own = []OwnName{{Label: "films", Onion: onion.Address(photosKey)}}
	h := newHome(t, c, &upstream{strict: torStrict,
		dig: torNames(photosKey+".onion. 3600 A 10.192.0.9", photosKey+".onion. 3600 AAAA fdaa:bbbb:cccc::9")})
	if c.Equal(namedConfig()) {
		t.Error("the configurations are equal")
	}
	for name, want := range map[string]string{"films.box.home.arpa": "NOERROR 10.192.0.9", "Films.Box.Home.Arpa": "NOERROR 10.192.0.9",
		"rooms.films.box.home.arpa": "NOERROR 10.192.0.9", "_http._tcp.films.box.home.arpa": "NOERROR", "other.box.home.arpa": "NXDOMAIN",
		"xfilms.box.home.arpa": "NXDOMAIN"} {
		if got := brief(h.ask(t, "", "udp", name, dns.TypeA)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"films.box.home.arpa": photosKey + ".onion", "www.FILMS.box.home.arpa": photosKey + ".onion",
		"box.home.arpa": "", "other.box.home.arpa": "", "_x.films.box.home.arpa": ""} {
		if got := h.OnionName(name); got != want {
			t.Errorf("the proxy takes %s for %q, want %q", name, got, want)
		}
	}
}
