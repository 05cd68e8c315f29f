package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const (
	fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
	obfs4Line   = "obfs4 203.0.113.20:9443 " + fingerprint +
		" cert=ssH+9rP8dG2NLDN2XuFw63hIO/9MNNinLmxQDpVa+7kTOa9/m+tGWT1SmSYpQ9uTBGa6Hw iat-mode=0"
	snowLine = "snowflake 192.0.2.3:80 " + fingerprint +
		" url=https://broker.example/ fronts=a.example,b.example ice=stun:stun.example:3478 utls-imitate=hellorandomizedalpn"
	webLine = "webtunnel [2001:db8::20]:443 " + fingerprint + " url=https://www.example/secret ver=0.0.1"
)

func TestParseBridge(t *testing.T) {
	for line, want := range map[string]struct{ line, host string }{
		obfs4Line:                          {obfs4Line, ""},
		"Bridge  " + obfs4Line + " ":       {obfs4Line, ""},
		snowLine:                           {snowLine, "broker.example"},
		webLine:                            {webLine, "www.example"},
		"203.0.113.20:9001 " + fingerprint: {"203.0.113.20:9001 " + fingerprint, ""},
		"[::ffff:203.0.113.20]:9001 " + fingerprint: {"203.0.113.20:9001 " + fingerprint, ""},
		"webtunnel 192.0.2.1:1 " + fingerprint +
			" url=https://[2001:db8::1]:8/": {"webtunnel 192.0.2.1:1 " + fingerprint + " url=https://[2001:db8::1]:8/", ""},
	} {
		b, p := parseBridge(line)
		if p != nil || b.Line() != want.line || b.Host() != want.host {
			t.Errorf("%q: line %q, host %q, problem %v", line, b.Line(), b.Host(), p)
		}
	}
}

func TestParseBridgeRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"":                                            "needs an address",
		"Bridge":                                      "needs an address",
		"obsf4 203.0.113.20:1 " + fingerprint:         `"obsf4" is none of the transports`,
		"obfs4 203.0.113.20 " + fingerprint:           "is not the address and port",
		"obfs4 203.0.113.20:0 " + fingerprint:         "is not the address and port",
		"0.0.0.0:443 " + fingerprint:                  "is not the address and port",
		"[fe80::1%eth0]:443 " + fingerprint:           "is not the address and port",
		"bridge.example:443 " + fingerprint:           "is not the address and port",
		"203.0.113.20:443 cert=x":                     "40 hexadecimal digits",
		"203.0.113.20:443":                            "needs an address",
		"203.0.113.20:443 " + fingerprint + "0":       "40 hexadecimal digits",
		"203.0.113.20:443 " + fingerprint + " cert=x": "without a transport takes nothing",
		"obfs4 203.0.113.20:9443 " + fingerprint:      "cert= is missing",
		obfs4Line + " cert=y":                         "cert= is there twice",
		"obfs4 203.0.113.20:9443 " + fingerprint + " cert=abc iat-mode=0": "cert= is not whole",
		obfs4Line + " x=#":          "like key=value",
		obfs4Line + ` x="y"`:        "like key=value",
		obfs4Line + ` x=y\`:         "like key=value",
		obfs4Line + "\nSocksPort 1": "printable ASCII",
		"snowflake 192.0.2.3:80 " + fingerprint + " url=https://a/":  "ice= is missing",
		"meek_lite 192.0.2.3:80 " + fingerprint + " front=a.example": "url= is missing",
		"webtunnel 192.0.2.3:443 " + fingerprint + " ver=0.0.1 url=": "like key=value",
	} {
		if _, p := parseBridge(line); p == nil || !strings.Contains(p.msg, want) {
			t.Errorf("%q: %v, want %q", line, p, want)
		}
	}
}

// A mistake names the word that is wrong and nothing else of the line.
func TestBridgeMistakesHaveNoSecrets(t *testing.T) {
	for _, line := range []string{obfs4Line + " oops", "obfs4 203.0.113.20:9443 " + fingerprint[1:] + " cert=SECRET",
		"obfs4 203.0.113.20:9443 " + fingerprint + " cert=SECRET cert=SECRET"} {
		_, p := parseBridge(line)
		if p == nil || strings.Contains(p.msg+p.hint, "SECRET") || strings.Contains(p.msg, fingerprint[1:]) {
			t.Errorf("%q: %+v", line, p)
		}
	}
}

func TestBridgePrintsNoSecret(t *testing.T) {
	b, _ := parseBridge(obfs4Line)
	c := Config{Tor: Tor{Bridges: []Bridge{b}}}
	for _, text := range []string{fmt.Sprint(b), fmt.Sprintf("%v %+v %#v %s", c, c, c, b)} {
		if strings.Contains(text, "203.0.113.20") || strings.Contains(text, "cert=") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestLoadTor(t *testing.T) {
	p := newBox(t, map[string]string{"tunic.toml": okMain + fmt.Sprintf(`[tor]
bridges = [ # two of them
  %q,
  %q,
]
exit-countries = ["DE", "!us"]
isolate-destinations = true
over-tor = "pass"
`, obfs4Line, webLine)})
	c, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Tor
	if len(got.Bridges) != 2 || got.Bridges[1].Addr != netip.MustParseAddrPort("[2001:db8::20]:443") || !got.ByDest ||
		got.OverTor != OverTorPass {
		t.Errorf("bridges %d, %+v", len(got.Bridges), got)
	}
	if !slices.Equal(got.Exits, []Country{{Code: "de"}, {Code: "us", Exclude: true}}) {
		t.Errorf("countries %v", got.Exits)
	}
	if !slices.Equal(got.TransportsUsed(), []string{"obfs4", "webtunnel"}) || got.BridgeHosts() != 1 {
		t.Errorf("transports %v, %d hosts", got.TransportsUsed(), got.BridgeHosts())
	}
}

func TestTorMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"bridges = 'obfs4'": {`tunic.toml:4: tor.bridges: must be a list, ["like", "this"], not text`},
		"bridges = [\n'x',\n7]": {
			`tunic.toml:5: tor.bridges[0]: "x" is none of the transports obfs4, meek_lite, snowflake, webtunnel`,
			`tunic.toml:6: tor.bridges[1]: must be text in quotes, not a number`},
		fmt.Sprintf("bridges = [%q, %q]", obfs4Line, "Bridge "+obfs4Line): {`tunic.toml:4: tor.bridges[1]: the same bridge is there twice`},
		"exit-countries = ['deu', 'zz', 'uk']": {
			`tunic.toml:4: tor.exit-countries[0]: "deu" is not the code of a country`,
			`tunic.toml:4: tor.exit-countries[1]: "zz" is not the code of a country`,
			`tunic.toml:4: tor.exit-countries[2]: "uk" is not the code of the United Kingdom`},
		"exit-countries = ['de', '!de', 'DE']": {
			`tunic.toml:4: tor.exit-countries[1]: "de" is both wanted and excluded`,
			`tunic.toml:4: tor.exit-countries[2]: "DE" is named twice`},
		"isolate-destinations = 'yes'": {`tunic.toml:4: tor.isolate-destinations: must be true or false, not text`},
		"over-tor = 'allow'":           {`tunic.toml:4: tor.over-tor: "allow" is none of refuse, pass`},
	} {
		p := newBox(t, map[string]string{"tunic.toml": okMain + "[tor]\n" + text})
		_, err := Load(p)
		if got := mistakes(p, err); !slices.Equal(got, want) {
			t.Errorf("Load of\n%s\n%s\nwant\n%s", text, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func FuzzParseBridge(f *testing.F) {
	for _, line := range []string{obfs4Line, snowLine, webLine, "Bridge 203.0.113.20:9001 " + fingerprint} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		b, p := parseBridge(line)
		if p != nil {
			return
		}
		if strings.ContainsAny(b.Line(), "\"#\\\r\n") {
			t.Errorf("%q gives the line %q", line, b.Line())
		}
		if again, p := parseBridge(b.Line()); p != nil || again.Line() != b.Line() {
			t.Errorf("%q is read again as %q, %v", b.Line(), again.Line(), p)
		}
	})
}
