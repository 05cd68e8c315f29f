package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestTimeNamesAndBypass reads every key of these three parts.
func TestTimeNamesAndBypass(t *testing.T) {
	p := newBox(t, map[string]string{"devices/tv.toml": `mac = "02:00:5e:10:00:0a"`, "tunic.toml": okMain + `
[gateway]
ntp = false
ntp-servers = ["192.0.2.1", "2001:db8::7b"]
[dns]
resolver = "tls://[2620:fe::fe]:8853#DNS.quad9.net"
private-answers = ["Plex.direct.", "nas.mydomain.example"]
[[bypass]]
domains = ["Bank.example.", "game.example"]
devices = ["tv"]
[[bypass]]
prefixes = ["198.51.100.0/24", "2001:db8:5::/48", "203.0.113.9"]
`})
	c, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	servers := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::7b")}
	if c.Gateway.NTP || !slices.Equal(c.Gateway.NTPServers, servers) {
		t.Errorf("gateway: %+v", c.Gateway)
	}
	if got := c.DNS.Resolver.String(); got != "tls://[2620:fe::fe]:8853#dns.quad9.net" {
		t.Errorf("resolver: %s", got)
	}
	if !slices.Equal(c.DNS.Private, []string{"plex.direct", "nas.mydomain.example"}) {
		t.Errorf("private answers: %q", c.DNS.Private)
	}
	want := []Bypass{
		{Domains: []string{"bank.example", "game.example"}, Devices: []string{"tv"}},
		{Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:5::/48"),
			netip.MustParsePrefix("203.0.113.9/32")}},
	}
	if !reflect.DeepEqual(c.Bypasses, want) {
		t.Errorf("bypass: %+v", c.Bypasses)
	}
}

func TestResolverForms(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"tls://9.9.9.9":            "tls://9.9.9.9:853",
		"tls://9.9.9.9:8853":       "tls://9.9.9.9:8853",
		"tls://2620:fe::fe":        "tls://[2620:fe::fe]:853",
		"tls://[2620:fe::fe]":      "tls://[2620:fe::fe]:853",
		"tls://[::ffff:9.9.9.9]:1": "tls://9.9.9.9:1",
		"tls://1.1.1.1#one.one":    "tls://1.1.1.1:853#one.one",
	} {
		c, err := Load(newBox(t, map[string]string{"tunic.toml": okMain + "[dns]\nresolver = \"" + text + "\"\n"}))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := c.DNS.Resolver.String(); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
		if again, p := parseResolver(want); want != "" && (p != nil || again != c.DNS.Resolver) {
			t.Errorf("%q is read back as %v, %v", want, again, p)
		}
	}
}

// TestUpstream: a filter of the household tells private addresses too.
func TestUpstream(t *testing.T) {
	for text, want := range map[string]string{"192.168.1.5": "192.168.1.5:53", "fd77::5": "[fd77::5]:53",
		"[fd77::5]:5353": "[fd77::5]:5353", "127.0.0.1:5353": "127.0.0.1:5353"} {
		c, err := Load(newBox(t, map[string]string{"tunic.toml": okMain + "[dns]\nupstream = \"" + text +
			"\"\nprivate-answers = [\"plex.direct\"]\n"}))
		if err != nil || c.DNS.Upstream.String() != want || len(c.DNS.Private) != 1 {
			t.Errorf("%s: %+v %v", text, c, err)
		}
	}
}

func TestTimeNamesAndBypassMistakes(t *testing.T) {
	for _, c := range []struct{ lines, key, want string }{
		{"[gateway]\nntp = \"yes\"", "gateway.ntp", "must be true or false, not text"},
		{"[gateway]\nntp-servers = [\"pool.ntp.org\"]", "gateway.ntp-servers[0]", `"pool.ntp.org" is not the address of a time server`},
		{"[gateway]\nntp-servers = [\"0.0.0.0\"]", "gateway.ntp-servers[0]", `"0.0.0.0" is not the address of a time server`},
		{"[gateway]\nntp-servers = [\"192.0.2.1\", \"192.0.2.1\"]", "gateway.ntp-servers[1]", "192.0.2.1 is named twice"},
		{"[gateway]\nexceptions = [\"203.0.113.9:443\"]", "gateway.exceptions[0]",
			`"203.0.113.9:443" does not say which protocol it is for`},
		{"[gateway]\nexceptions = [\"quic://203.0.113.9:443\"]", "gateway.exceptions[0]", `"quic" is not a protocol that can be excepted`},
		{"[gateway]\nexceptions = [\"0://203.0.113.9\"]", "gateway.exceptions[0]", `"0" is not a protocol that can be excepted`},
		{"[gateway]\nexceptions = [\"udp://203.0.113.9\"]", "gateway.exceptions[0]", `"udp://203.0.113.9" has no port, 1 to 65535`},
		{"[gateway]\nexceptions = [\"udp://2001:db8::1\"]", "gateway.exceptions[0]", `"udp://2001:db8::1" has no port, 1 to 65535`},
		{"[gateway]\nexceptions = [\"udp://vpn.example:51820\"]", "gateway.exceptions[0]", `"vpn.example" is not a network`},
		{"[gateway]\nexceptions = [\"tcp://0.0.0.0/0:443\"]", "gateway.exceptions[0]", `"0.0.0.0/0" is too wide: /8 is the widest`},
		{"[gateway]\nexceptions = [\"esp://127.0.0.1\"]", "gateway.exceptions[0]", `"127.0.0.1" never leaves the box`},
		{"[gateway]\nexceptions = [\"esp://192.0.2.1\", \"50://192.0.2.1\"]", "gateway.exceptions[1]", "esp://192.0.2.1 is named twice"},
		{"[gateway]\nother-networks = [\"br-lan\"]", "gateway.other-networks[0]", `"br-lan" is in [household] interfaces`},
		{"[gateway]\nother-networks = [\"wg0\", \"wg0\"]", "gateway.other-networks[1]", "wg0 is named twice"},
		{"[gateway]\nother-networks = [\"docker+\"]", "gateway.other-networks[0]",
			`"docker+" looks like a wildcard: an interface that appears later would be taken over unasked`},
		{"[gateway]\ninbound = [\"22\"]", "gateway.inbound[0]", `"22" is no port of TCP or UDP`},
		{"[gateway]\ninbound = [\"tcp/0\"]", "gateway.inbound[0]", `"tcp/0" is no port of TCP or UDP`},
		{"[gateway]\ninbound = [\"icmp/8\"]", "gateway.inbound[0]", `"icmp/8" is no port of TCP or UDP`},
		{"[gateway]\ninbound = [\"tcp/9240\"]", "gateway.inbound[0]",
			"port 9240 is one of tunic's own, which is never open to the internet"},
		{"[gateway]\ninbound = [\"tcp/22\", \"tcp/22\"]", "gateway.inbound[1]", "tcp/22 is named twice"},
		{"one-arm = \"yes\"", "household.one-arm", "must be true or false, not text"},
		{"[dns]\nresolver = \"9.9.9.9\"", "dns.resolver",
			`"9.9.9.9" does not begin with tls://: an exit could read and change what is asked in clear`},
		{"[dns]\nresolver = \"tls://dns.quad9.net\"", "dns.resolver", `"dns.quad9.net" is not the address of a server`},
		{"[dns]\nresolver = \"tls://9.9.9.9:0\"", "dns.resolver", "0 is no port"},
		{"[dns]\nresolver = \"tls://192.168.1.1\"", "dns.resolver", "192.168.1.1 is not on the internet: an exit could not reach it"},
		{"[dns]\nresolver = \"tls://127.0.0.1\"", "dns.resolver", "127.0.0.1 is not on the internet: an exit could not reach it"},
		{"[dns]\nresolver = \"tls://9.9.9.9#\"", "dns.resolver", "there is no name after the #"},
		{"[dns]\nupstream = \"9.9.9.9\"", "dns.upstream", "9.9.9.9 is not in the household: names would leave it in clear"},
		{"[dns]\nupstream = \"2001:db8::53\"", "dns.upstream", "2001:db8::53 is not in the household: names would leave it in clear"},
		{"[dns]\nupstream = \"100.64.0.1\"", "dns.upstream", "100.64.0.1 is not in the household: names would leave it in clear"},
		{"[dns]\nupstream = \"169.254.1.1\"", "dns.upstream", "169.254.1.1 is an address of one link"},
		{"[dns]\nupstream = \"pi.hole\"", "dns.upstream", `"pi.hole" is not the address of a DNS server`},
		{"[dns]\nupstream = \"127.0.0.1:9354\"", "dns.upstream",
			"127.0.0.1:9354 is tunic's own: the question would come back to it"},
		{"[gateway]\nown-traffic = \"direct\"\n[dns]\nupstream = \"127.0.0.1:5353\"", "dns.upstream",
			"the filter's own questions would leave this box outside Tor (own-traffic = direct)"},
		{"[dns]\nprivate-answers = [\"plex.direct\"]", "dns.private-answers", "Tor's own resolver never tells private addresses"},
		{"[dns]\nresolver = \"\"\nprivate-answers = [\"plex.direct\"]", "dns.private-answers",
			"Tor's own resolver never tells private addresses"},
		{"[dns]\nresolver = \"tls://9.9.9.9\"\nprivate-answers = [\"com\"]", "dns.private-answers[0]",
			`"com" is too wide: name one site or service`},
		{"[[bypass]]\n", "bypass[0].domains", "missing"},
		{"[[bypass]]\ndomains = []", "bypass[0].domains", "missing"},
		{"[[bypass]]\ndomains = [\"com\"]", "bypass[0].domains[0]", `"com" is too wide: name one site or service`},
		{"[[bypass]]\ndomains = [\".\"]", "bypass[0].domains[0]", `"." is too wide: name one site or service`},
		{"[[bypass]]\ndomains = [\"*.bank.example\"]", "bypass[0].domains[0]",
			`"*.bank.example": the names below a domain are always let through with it`},
		{"[[bypass]]\ndomains = [\"a.onion\"]", "bypass[0].domains[0]", "an onion is only reached through Tor"},
		{"[[bypass]]\ndomains = [\"alice.peer.home.arpa\"]", "bypass[0].domains[0]",
			`"alice.peer.home.arpa" belongs to the home and never leaves it`},
		{"[[bypass]]\ndomains = [\"a.b\", \"A.b.\"]", "bypass[0].domains[1]", "a.b is named twice"},
		{"[[bypass]]\nprefixes = [\"198.51.100.1/24\"]", "bypass[0].prefixes[0]",
			`"198.51.100.1/24" is not the beginning of its network: write "198.51.100.0/24"`},
		{"[[bypass]]\nprefixes = [\"0.0.0.0/0\"]", "bypass[0].prefixes[0]", `"0.0.0.0/0" is too wide: /8 is the widest`},
		{"[[bypass]]\nprefixes = [\"2000::/3\"]", "bypass[0].prefixes[0]", `"2000::/3" is too wide: /32 is the widest`},
		{"[[bypass]]\nprefixes = [\"127.0.0.0/8\"]", "bypass[0].prefixes[0]", `"127.0.0.0/8" never leaves the house`},
		{"[[bypass]]\nprefixes = [\"bank\"]", "bypass[0].prefixes[0]", `"bank" is not a network`},
		{"[[bypass]]\nprefixes = [\"198.51.100.7\"]\ndevices = [\"radio\"]", "bypass[0].devices[0]", `there is no device called "radio"`},
		{"[[bypass]]\nprefixes = [\"198.51.100.7\"]\ndevices = []", "bypass[0].devices", "is empty: nobody would be let through"},
		{"[[bypass]]\nprefixes = [\"198.51.100.7\"]\ndevice = [\"tv\"]", "bypass[0].device", "unknown key"},
	} {
		p := newBox(t, map[string]string{"tunic.toml": okMain + c.lines + "\n"})
		_, err := Load(p)
		got := strings.Join(mistakes(p, err), "\n")
		if !strings.HasPrefix(got, "tunic.toml:") || !strings.HasSuffix(got, ": "+c.key+": "+c.want) {
			t.Errorf("Load of\n%s\n%s\nwant %s: %s", c.lines, got, c.key, c.want)
		}
	}
}
