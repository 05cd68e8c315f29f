package config

import (
	"slices"
	"strings"
	"testing"
)

// TestMainMistakes has one tunic.toml a line; want are its mistakes without
// hints, each from the line number on.
func TestMainMistakes(t *testing.T) {
	iface := func(names string) string { return "[household]\ninterfaces = " + names + "\n" }
	forward := func(domain, server string) string {
		return okMain + "[[dns.forward]]\ndomain = \"" + domain + "\"\nserver = \"" + server + "\"\n"
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{`tunic.toml: household.interfaces: missing`}},
		{"syntax", "[household\n", []string{`tunic.toml:1: column 11: the name of a table ends with the brackets that it begins with`}},
		{"household is text", "household = 'x'\n", []string{
			`tunic.toml:1: household: must be a table, [household], not text`, `tunic.toml:1: household.interfaces: missing`}},

		{"no interfaces", iface("[]"), []string{`tunic.toml:2: household.interfaces: is empty: tunic would be in charge of nothing`}},
		{"one interface", iface(`"br-lan"`), []string{`tunic.toml:2: household.interfaces: must be a list, ["like", "this"], not text`}},
		{"places in a list", iface("[\"br-lan\", # fine\n  7,\n  \"lo\"]"), []string{
			`tunic.toml:3: household.interfaces[1]: must be text in quotes, not a number`,
			`tunic.toml:4: household.interfaces[2]: lo is the box itself, not the household`}},
		{"twice", iface(`["br-lan", "eth1", "br-lan"]`), []string{`tunic.toml:2: household.interfaces[2]: br-lan is named twice`}},
		{"wildcards", iface(`["*", "wlan+"]`), []string{
			`tunic.toml:2: household.interfaces[0]: "*" looks like a wildcard: an interface that appears later would be taken over unasked`,
			`tunic.toml:2: household.interfaces[1]: "wlan+" looks like a wildcard: an interface that appears later would be taken over ` +
				`unasked`}},
		{"long", iface(`["abcdefghijklmno", "abcdefghijklmnop"]`), []string{
			`tunic.toml:2: household.interfaces[1]: "abcdefghijklmnop" is longer than the 15 bytes that Linux allows`}},
		{"odd names", iface(`["", "a b", "a/b", "..", "-i", "eth0@if2", "ä"]`), []string{
			`tunic.toml:2: household.interfaces[0]: is empty`,
			`tunic.toml:2: household.interfaces[1]: "a b" is not the name of an interface`,
			`tunic.toml:2: household.interfaces[2]: "a/b" is not the name of an interface`,
			`tunic.toml:2: household.interfaces[3]: ".." is not the name of an interface`,
			`tunic.toml:2: household.interfaces[4]: "-i" is not the name of an interface`,
			`tunic.toml:2: household.interfaces[5]: "eth0@if2": what follows the @ is the parent, not a part of the name`,
			`tunic.toml:2: household.interfaces[6]: "ä" is not the name of an interface`}},

		{"policy", okMain + `default-policy = "TOR"`,
			[]string{`tunic.toml:3: household.default-policy: "TOR" is none of tor, onion, direct, block`}},
		{"own traffic", okMain + "[gateway]\nown-traffic = \"block\"",
			[]string{`tunic.toml:4: gateway.own-traffic: "block" is none of tor, direct`}},
		{"tor", okMain + "[tor]\nbinary = \"bin/tor\"",
			[]string{`tunic.toml:4: tor.binary: "bin/tor" depends on the directory that tunic is started in`}},
		{"no tor", okMain + "[tor]\nbinary = \"\"", []string{`tunic.toml:4: tor.binary: is empty`}},
		{"keys of later versions", okMain + "[admin]\nlisten = \"lan\"\n", []string{`tunic.toml:3: admin: unknown key`}},
		{"dotted key", okMain + `"a.b".c = 1`, []string{`tunic.toml:3: household."a.b": unknown key`}},

		{"socks port text", okMain + "[socks]\nport = \"9050\"", []string{`tunic.toml:4: socks.port: must be a number, not text`}},
		{"socks port range", okMain + "[socks]\nport = 65536", []string{`tunic.toml:4: socks.port: 65536 is no port: 1 to 65535`}},
		{"socks port is DNS", okMain + "[socks]\nport = 53", []string{`tunic.toml:4: socks.port: tunic needs port 53 for something else`}},
		{"socks port is tor's", okMain + "[socks]\nport = 9250",
			[]string{`tunic.toml:4: socks.port: tunic needs port 9250 for something else`}},

		{"forward without all", okMain + "[[dns.forward]]\n",
			[]string{`tunic.toml:3: dns.forward[0].domain: missing`, `tunic.toml:3: dns.forward[0].server: missing`}},
		{"forward is one table", okMain + "[dns.forward]\ndomain = 'lan'\nserver = '10.0.0.1'\n", []string{
			`tunic.toml:3: dns.forward: must be a list of tables, [[dns.forward]], not a table`}},
		{"second forward", forward("lan", "10.0.0.1") + "[[dns.forward]]\ndomian = 'corp'\nserver = '10.0.0.2'\n", []string{
			`tunic.toml:6: dns.forward[1].domain: missing`, `tunic.toml:7: dns.forward[1].domian: unknown key`}},
		{"same domain", forward("lan", "10.0.0.1") + "[[dns.forward]]\ndomain = 'LAN.'\nserver = '10.0.0.2'\n", []string{
			`tunic.toml:7: dns.forward[1].domain: "lan" is forwarded already, in line 4`}},
		{"root", forward(".", "10.0.0.1"), []string{`tunic.toml:4: dns.forward[0].domain: the root would send every name past Tor`}},
		{"onion", forward("Onion", "10.0.0.1"),
			[]string{`tunic.toml:4: dns.forward[0].domain: onion names are never asked of a DNS server: it would learn them`}},
		{"below onion", forward("x.onion.", "10.0.0.1"),
			[]string{`tunic.toml:4: dns.forward[0].domain: onion names are never asked of a DNS server: it would learn them`}},
		{"friends", forward("peer.home.arpa", "10.0.0.1"),
			[]string{`tunic.toml:4: dns.forward[0].domain: tunic itself answers for the names below peer.home.arpa`}},
		{"wildcard", forward("*.lan", "10.0.0.1"),
			[]string{`tunic.toml:4: dns.forward[0].domain: "*.lan": the names below a domain are always forwarded with it`}},
		{"URL", forward("https://bank.example/login", "10.0.0.1"),
			[]string{`tunic.toml:4: dns.forward[0].domain: "https://bank.example/login" is a URL`}},
		{"two dots", forward("a..b", "10.0.0.1"), []string{`tunic.toml:4: dns.forward[0].domain: two dots in a row`}},
		{"not LDH", forward("bücher", "10.0.0.1"), []string{`tunic.toml:4: dns.forward[0].domain: "bücher" is not a part of a DNS name`}},
		{"hyphen", forward("-a.lan", "10.0.0.1"), []string{`tunic.toml:4: dns.forward[0].domain: "-a": a hyphen at the edge of a part`}},
		{"long domain", forward(strings.Repeat("a.", 127)+"b", "10.0.0.1"),
			[]string{`tunic.toml:4: dns.forward[0].domain: longer than the 253 bytes that DNS allows`}},
		{"long label", forward(strings.Repeat("a", 64), "10.0.0.1"), []string{
			`tunic.toml:4: dns.forward[0].domain: the part "` + strings.Repeat("a", 64) + `" is longer than 63 bytes`}},
		{"server name", forward("lan", "fritz.box"),
			[]string{`tunic.toml:5: dns.forward[0].server: "fritz.box" is not the address of a DNS server`}},
		{"server anywhere", forward("lan", "0.0.0.0"),
			[]string{`tunic.toml:5: dns.forward[0].server: 0.0.0.0 is not the address of one host`}},
		{"server group", forward("lan", "[ff02::fb]:5353"),
			[]string{`tunic.toml:5: dns.forward[0].server: ff02::fb is not the address of one host`}},
		{"server port", forward("lan", "10.0.0.1:0"), []string{`tunic.toml:5: dns.forward[0].server: 0 is no port`}},
		{"server is tunic", forward("lan", "127.0.0.1:9353"),
			[]string{`tunic.toml:5: dns.forward[0].server: 127.0.0.1:9353 is tunic's own: the question would come back to it`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newBox(t, map[string]string{"tunic.toml": tt.text})
			_, err := Load(p)
			if got := mistakes(p, err); !slices.Equal(got, tt.want) {
				t.Errorf("Load of\n%s\n%s\nwant\n%s", tt.text, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
