package networks

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/rules"
)

func nets(list ...string) (nets []netip.Prefix) {
	for _, text := range list {
		nets = append(nets, netip.MustParsePrefix(text))
	}
	return nets
}

func lan() feature.Link {
	return feature.Link{Name: "br-lan", Up: true, Carrier: true, Household: true, Bridge: true, Addresses: nets("192.168.77.1/24")}
}

func wan() feature.Link {
	return feature.Link{Name: "wan", Up: true, Carrier: true, Default: true, Addresses: nets("203.0.113.100/24", "2001:db8::100/64")}
}

// homeless is a link that is no household's.
func homeless(l feature.Link) feature.Link { l.Household = false; return l }

func changed(l feature.Link, change func(*feature.Link)) feature.Link { change(&l); return l }

func TestSurroundings(t *testing.T) {
	guests := feature.Link{Name: "eth2", Up: true, Carrier: true, Addresses: nets("192.168.99.1/24", "fd99::1/64"), Hosts: 2}
	conf := func(change func(*config.Config)) *config.Config {
		c := &config.Config{Household: config.Household{Interfaces: []string{"br-lan"}}}
		change(c)
		return c
	}
	plain := conf(func(*config.Config) {})
	wrong := conf(func(c *config.Config) { c.Household.Interfaces = []string{"lan0"} })
	uplink := conf(func(c *config.Config) { c.Household.Interfaces = []string{"wan"} })
	atHome := changed(wan(), func(l *feature.Link) { l.Household = true })
	renamed := changed(lan(), func(l *feature.Link) { l.Name = "br-new" })
	cases := []struct {
		name   string
		config *config.Config
		around feature.Surroundings
		want   []string // code and words of each finding, in their order
	}{
		{"as it should be", plain, feature.Surroundings{Links: []feature.Link{lan(), wan()}}, nil},
		{"a cable out, and its route still there", plain, feature.Surroundings{Links: []feature.Link{lan(),
			changed(wan(), func(l *feature.Link) { l.Carrier = false })}},
			[]string{"no-uplink no connection to the internet: no interface has a route to it (wan has no cable)"}},
		{"nothing could be read", plain, feature.Surroundings{}, nil},
		{"a wrong name", wrong, feature.Surroundings{Links: []feature.Link{homeless(lan()), wan()}}, []string{
			`household-elsewhere nobody is served: no interface "lan0" on this box; ` +
				`it has: br-lan 192.168.77.1/24, wan 203.0.113.100/24 2001:db8::100/64 (default route): the household's is probably br-lan`,
			`network-refused br-lan (192.168.77.0/24) is named nowhere`}},
		{"an adapter that comes later", plain, feature.Surroundings{Links: []feature.Link{wan()}},
			[]string{`interface-missing no interface "br-lan" on this box; it has: wan 203.0.113.100/24`}},
		{"an adapter that comes later, beside containers", plain,
			feature.Surroundings{Links: []feature.Link{wan(), {Name: "docker0", Up: true, Addresses: nets("172.17.0.1/16")}}},
			[]string{`interface-missing no interface "br-lan"`, "network-refused docker0"}},
		{"a wrong name for one that is in the group from other days", wrong, feature.Surroundings{Links: []feature.Link{lan(), wan()}},
			[]string{"household-elsewhere nobody is served: no interface \"lan0\" on this box|probably br-lan"}},
		{"another name", plain, feature.Surroundings{Links: []feature.Link{renamed, wan()}, Renamed: []string{"br-lan"}},
			[]string{"interface-missing the household interface br-lan has another name now: br-new"}},
		{"the uplink for the household", uplink, feature.Surroundings{Links: []feature.Link{homeless(lan()), atHome}}, []string{
			"household-is-uplink wan is this box's way to the internet (default route), not the household's; " +
				"it has: br-lan 192.168.77.1/24, wan", "network-refused br-lan"}},
		{"beside the router", conf(func(c *config.Config) { c.Household = config.Household{Interfaces: []string{"wan"}, OneArm: true} }),
			feature.Surroundings{Links: []feature.Link{atHome}}, nil},
		{"another router at home", plain, feature.Surroundings{Links: []feature.Link{changed(lan(),
			func(l *feature.Link) { l.Default = true }),
			wan()}}, []string{"household-default-route a default route leads to the household interface br-lan"}},
		{"the household switched off", plain,
			feature.Surroundings{Links: []feature.Link{changed(lan(), func(l *feature.Link) { l.Up, l.Carrier = false, false }), wan()}},
			[]string{"interface-down the household interface br-lan is switched off: `ip link set br-lan up`"}},
		{"the household without a cable", plain,
			feature.Surroundings{Links: []feature.Link{changed(lan(), func(l *feature.Link) { l.Carrier = false }), wan()}},
			[]string{"interface-without-carrier the household interface br-lan has no cable"}},
		{"the cable out", plain, feature.Surroundings{Links: []feature.Link{lan(), {Name: "wan", Up: true}}},
			[]string{"no-uplink no connection to the internet: no interface has a route to it (wan has no cable)"}},
		{"the uplink off", plain, feature.Surroundings{Links: []feature.Link{lan(), {Name: "wan"}}},
			[]string{"no-uplink no connection to the internet: no interface has a route to it (wan is switched off)"}},
		{"guests", plain, feature.Surroundings{Links: []feature.Link{lan(), wan(), guests}},
			[]string{`network-refused eth2 (192.168.99.0/24, fd99::/64) is named nowhere: what is there does not reach the internet, ` +
				`and nothing new of it reaches this box; to let it, outside Tor, write in [gateway]: other-networks = ["eth2"]`}},
		{"guests who are named", conf(func(c *config.Config) { c.Gateway.OtherNetworks = []string{"eth2"} }),
			feature.Surroundings{Links: []feature.Link{lan(), wan(), guests}}, nil},
		{"a second network besides", conf(func(c *config.Config) { c.Gateway.OtherNetworks = []string{"wg0"} }),
			feature.Surroundings{Links: []feature.Link{lan(), wan(),
				guests}}, []string{`network-refused eth2|other-networks = ["wg0", "eth2"]`}},
		{"an uplink that is named", conf(func(c *config.Config) { c.Gateway.OtherNetworks = []string{"wan"} }),
			feature.Surroundings{Links: []feature.Link{lan(), wan()}}, []string{"network-is-uplink wan is in other-networks"}},
		{"somebody by ssh from outside", plain, feature.Surroundings{Links: []feature.Link{lan(), wan()},
			Visits: []feature.Visit{{Port: 22, From: netip.MustParseAddr("198.51.100.7")}}},
			[]string{`visitor-shut-out 198.51.100.7 is connected to port 22 of this box|inbound = ["tcp/22"]`}},
		{"the uplink's neighbour by ssh", plain, feature.Surroundings{Links: []feature.Link{lan(), wan()},
			Visits: []feature.Visit{{Port: 22, From: netip.MustParseAddr("203.0.113.7")}}}, []string{"visitor-shut-out 203.0.113.7"}},
		{"somebody at home, or who is let in, or the box itself",
			conf(func(c *config.Config) { c.Gateway.Inbound = []config.Inbound{{Protocol: 6, Port: 22}} }),
			feature.Surroundings{Links: []feature.Link{lan(), wan()},
				Visits: []feature.Visit{{Port: 80, From: netip.MustParseAddr("192.168.77.9")},
					{Port: 22, From: netip.MustParseAddr("198.51.100.7")}, {Port: 80, From: netip.MustParseAddr("203.0.113.100")},
					{Port: 80, From: netip.MustParseAddr("fe80::1")}}}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Surroundings(c.config, c.around)
			if len(got) != len(c.want) {
				t.Fatalf("%+v, want %q", got, c.want)
			}
			for i, want := range c.want {
				for part := range strings.SplitSeq(want, "|") {
					if !strings.Contains(string(got[i].Code)+" "+got[i].Text, part) {
						t.Errorf("%s %s, want %s", got[i].Code, got[i].Text, part)
					}
				}
				if got[i].Action == "" {
					t.Errorf("%s has no action", got[i].Code)
				}
			}
		})
	}
}

// What the rules are made of where interfaces are concerned.
func TestNamedInRules(t *testing.T) {
	c := &config.Config{Household: config.Household{Interfaces: []string{"br-lan"}},
		Gateway: config.Gateway{OtherNetworks: []string{"docker0", "wg0"}, Inbound: []config.Inbound{{Protocol: 6, Port: 22}}}}
	docker := feature.Link{Name: "docker0", Up: true, Bridge: true}
	tunnel := feature.Link{Name: "wg0", Up: true, Default: true}
	r := rulesOf(feature.Scene{Config: c, Surroundings: feature.Surroundings{Links: []feature.Link{lan(), wan(), docker, tunnel}}})
	if r.OneArm || !slices.Equal(r.Others, []string{"docker0"}) || !slices.Equal(r.Bridges, []string{"docker0"}) ||
		!slices.Equal(r.Inbound, []rules.Inbound{{Protocol: 6, Port: 22}}) {
		t.Errorf("%+v", r)
	}
	for name, s := range map[string]feature.Scene{
		"said so": {Config: &config.Config{Household: config.Household{OneArm: true}}},
		"a route is there": {Config: c,
			Surroundings: feature.Surroundings{Links: []feature.Link{changed(lan(), func(l *feature.Link) { l.Default = true }), wan()}}},
	} {
		if !rulesOf(s).OneArm {
			t.Errorf("%s: the household's interface is trusted", name)
		}
	}
}

func TestFirewallFindings(t *testing.T) {
	c := &config.Config{Household: config.Household{Interfaces: []string{"br-lan"}, DefaultPolicy: config.PolicyTor}}
	list := []feature.Firewall{{Program: "ufw", Hook: "forward", Table: "ip filter", Chain: "FORWARD"},
		{Program: "the table inet mine", Hook: "input", Table: "inet mine", Chain: "in"},
		{Program: "the table inet mine", Hook: "output", Table: "inet mine", Chain: "out"}}
	got := firewallFindings(c, list)
	if len(got) != 1 || !strings.Contains(got[0].Text, "`nft insert rule inet mine in iifname br-lan ct status dnat accept`") {
		t.Errorf("%+v", got)
	}
	c.Devices = []config.Device{{Name: "tv", Policy: config.PolicyDirect}}
	if got := firewallFindings(c, list); len(got) != 2 || !strings.Contains(got[0].Text, "`ufw route allow in on br-lan`") {
		t.Errorf("%+v", got)
	}
	if got := (feature.Surroundings{Others: list}).SealedOff(); !strings.Contains(got,
		"the table inet mine refuses by default what this box sends") {
		t.Errorf("%q", got)
	}
}

func rulesOf(s feature.Scene) rules.Input {
	var d feature.Desired
	want(s, &d)
	return d.Rules
}
