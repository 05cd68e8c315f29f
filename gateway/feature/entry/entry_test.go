package entry

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Every transport of the configuration has a program, known or looked for.
func TestTransportsHavePrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, name := range config.Transports() {
		if _, err := tor.FindTransport(name); err == nil || !strings.Contains(err.Error(), "install the package") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What transports need beside TCP is let out, no more, and is listed.
func TestTransportsInRules(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.3:80")
	for name, tc := range map[string]struct {
		bridge    config.Bridge
		udp       rules.UDP
		exception string
	}{
		"obfs4": {config.Bridge{Transport: "obfs4", Addr: at}, rules.NoUDP, ""},
		"snowflake": {config.Bridge{Transport: "snowflake", Addr: at, Args: []string{"url=https://192.0.2.1/"}}, rules.AnyUDP,
			"snowflake sends UDP"},
		"webtunnel": {config.Bridge{Transport: "webtunnel", Addr: at, Args: []string{"url=https://www.example/x"}}, rules.NamesUDP,
			"the names of 1 bridges"},
		"webtunnel by IP": {config.Bridge{Transport: "webtunnel", Addr: at, Args: []string{"url=https://192.0.2.1/x"}}, rules.NoUDP, ""},
	} {
		c := config.Config{Tor: config.Tor{Bridges: []config.Bridge{tc.bridge}}}
		d := feature.Desired{Rules: rules.Input{Carriers: make([]rules.Carrier, 1)}}
		s := feature.Scene{Config: &c}
		Feature{}.Look(t.Context(), &s, new(feature.Report)).Add(s, &d)
		words := strings.Join(exceptions(c.Tor), "\n")
		if got := d.Rules.Carriers[0].UDP; got != tc.udp || !strings.Contains(words, tc.exception) || tc.exception == "" && words != "" {
			t.Errorf("%s: UDP %d, exceptions %q", name, got, words)
		}
		if strings.Contains(words, "example") {
			t.Errorf("%s: the exception tells the bridge: %q", name, words)
		}
	}
}

func TestExitCountries(t *testing.T) {
	var spec tor.Spec
	geoIP := tor.GeoIP{IPv4: "/g", IPv6: "/g6"}
	enterBy(&spec, config.Tor{Exits: []config.Country{{Code: "de"}, {Code: "us", Exclude: true}}, ByDest: true}, Files{GeoIP: geoIP})
	if !slices.Equal(spec.Exits.Only, []string{"de"}) || !slices.Equal(spec.Exits.Exclude, []string{"us"}) || spec.Exits.GeoIP != geoIP ||
		!spec.IsolateDestinations {
		t.Errorf("%+v", spec)
	}
}

// A bridge that tor does not get to is named by its place, and by nothing else.
func TestUnreachedBridgesAreNamed(t *testing.T) {
	const second = "0123456789ABCDEF0123456789ABCDEF01234567"
	c := config.Tor{Bridges: []config.Bridge{{Fingerprint: "A"}, {Transport: "obfs4", Fingerprint: second}}}
	list := silentBridges(c, func(fingerprint string) bool { return fingerprint == second })
	if len(list) != 1 || list[0].Text != "bridge 2 of the 2 in [tor] bridges (obfs4) does not answer" {
		t.Errorf("%+v", list)
	}
}
