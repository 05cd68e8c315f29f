package gateway

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/tor"
	"tunic/rules"
)

func nets(list ...string) (nets []netip.Prefix) {
	for _, text := range list {
		nets = append(nets, netip.MustParsePrefix(text))
	}
	return nets
}

func lan() Link {
	return Link{Name: "br-lan", Up: true, Carrier: true, Household: true, Bridge: true, Addresses: nets("192.168.77.1/24")}
}

func wan() Link {
	return Link{Name: "wan", Up: true, Carrier: true, Default: true, Addresses: nets("203.0.113.100/24", "2001:db8::100/64")}
}

// homeless is a link that is no household's.
func homeless(l Link) Link { l.Household = false; return l }

func changed(l Link, change func(*Link)) Link { change(&l); return l }

func TestSurroundings(t *testing.T) {
	guests := Link{Name: "eth2", Up: true, Carrier: true, Addresses: nets("192.168.99.1/24", "fd99::1/64"), Hosts: 2}
	conf := func(change func(*config.Config)) *config.Config {
		c := &config.Config{Household: config.Household{Interfaces: []string{"br-lan"}}}
		change(c)
		return c
	}
	plain := conf(func(*config.Config) {})
	wrong := conf(func(c *config.Config) { c.Household.Interfaces = []string{"lan0"} })
	uplink := conf(func(c *config.Config) { c.Household.Interfaces = []string{"wan"} })
	atHome := changed(wan(), func(l *Link) { l.Household = true })
	renamed := changed(lan(), func(l *Link) { l.Name = "br-new" })
	cases := []struct {
		name   string
		config *config.Config
		around Around
		want   []string // code and words of each finding, in their order
	}{
		{"as it should be", plain, Around{Links: []Link{lan(), wan()}}, nil},
		{"nothing could be read", plain, Around{}, nil},
		{"a wrong name", wrong, Around{Links: []Link{homeless(lan()), wan()}}, []string{
			`household-elsewhere nobody is served: no interface "lan0" on this box; it has: br-lan 192.168.77.1/24, wan 203.0.113.100/24 2001:db8::100/64 (default route): the household's is probably br-lan`,
			`network-refused br-lan (192.168.77.0/24) is named nowhere`}},
		{"an adapter that comes later", plain, Around{Links: []Link{wan()}}, []string{`interface-missing no interface "br-lan" on this box; it has: wan 203.0.113.100/24`}},
		{"an adapter that comes later, beside containers", plain, Around{Links: []Link{wan(), {Name: "docker0", Up: true, Addresses: nets("172.17.0.1/16")}}},
			[]string{`interface-missing no interface "br-lan"`, "network-refused docker0"}},
		{"a wrong name for one that is in the group from other days", wrong, Around{Links: []Link{lan(), wan()}}, []string{"household-elsewhere nobody is served: no interface \"lan0\" on this box|probably br-lan"}},
		{"another name", plain, Around{Links: []Link{renamed, wan()}, Renamed: []string{"br-lan"}}, []string{"interface-missing the household interface br-lan has another name now: br-new"}},
		{"the uplink for the household", uplink, Around{Links: []Link{homeless(lan()), atHome}}, []string{
			"household-is-uplink wan is this box's way to the internet (default route), not the household's; it has: br-lan 192.168.77.1/24, wan", "network-refused br-lan"}},
		{"beside the router", conf(func(c *config.Config) { c.Household = config.Household{Interfaces: []string{"wan"}, OneArm: true} }), Around{Links: []Link{atHome}}, nil},
		{"another router at home", plain, Around{Links: []Link{changed(lan(), func(l *Link) { l.Default = true }), wan()}}, []string{"household-default-route a default route leads to the household interface br-lan"}},
		{"the household switched off", plain, Around{Links: []Link{changed(lan(), func(l *Link) { l.Up, l.Carrier = false, false }), wan()}}, []string{"interface-down the household interface br-lan is switched off: `ip link set br-lan up`"}},
		{"the household without a cable", plain, Around{Links: []Link{changed(lan(), func(l *Link) { l.Carrier = false }), wan()}}, []string{"interface-without-carrier the household interface br-lan has no cable"}},
		{"the cable out", plain, Around{Links: []Link{lan(), {Name: "wan", Up: true}}}, []string{"no-uplink no connection to the internet: no interface has a route to it (wan has no cable)"}},
		{"the uplink off", plain, Around{Links: []Link{lan(), {Name: "wan"}}}, []string{"no-uplink no connection to the internet: no interface has a route to it (wan is switched off)"}},
		{"guests", plain, Around{Links: []Link{lan(), wan(), guests}}, []string{`network-refused eth2 (192.168.99.0/24, fd99::/64) is named nowhere: what is there does not reach the internet, and nothing new of it reaches this box; to let it, outside Tor, write in [gateway]: other-networks = ["eth2"]`}},
		{"guests who are named", conf(func(c *config.Config) { c.Gateway.OtherNetworks = []string{"eth2"} }), Around{Links: []Link{lan(), wan(), guests}}, nil},
		{"a second network besides", conf(func(c *config.Config) { c.Gateway.OtherNetworks = []string{"wg0"} }), Around{Links: []Link{lan(), wan(), guests}}, []string{`network-refused eth2|other-networks = ["wg0", "eth2"]`}},
		{"an uplink that is named", conf(func(c *config.Config) { c.Gateway.OtherNetworks = []string{"wan"} }), Around{Links: []Link{lan(), wan()}}, []string{"network-is-uplink wan is in other-networks"}},
		{"somebody by ssh from outside", plain, Around{Links: []Link{lan(), wan()}, Visits: []Visit{{Port: 22, From: netip.MustParseAddr("198.51.100.7")}}},
			[]string{`visitor-shut-out 198.51.100.7 is connected to port 22 of this box|inbound = ["tcp/22"]`}},
		{"the uplink's neighbour by ssh", plain, Around{Links: []Link{lan(), wan()}, Visits: []Visit{{Port: 22, From: netip.MustParseAddr("203.0.113.7")}}}, []string{"visitor-shut-out 203.0.113.7"}},
		{"somebody at home, or who is let in, or the box itself", conf(func(c *config.Config) { c.Gateway.Inbound = []config.Inbound{{Protocol: 6, Port: 22}} }),
			Around{Links: []Link{lan(), wan()}, Visits: []Visit{{Port: 80, From: netip.MustParseAddr("192.168.77.9")}, {Port: 22, From: netip.MustParseAddr("198.51.100.7")}, {Port: 80, From: netip.MustParseAddr("203.0.113.100")}, {Port: 80, From: netip.MustParseAddr("fe80::1")}}}, nil},
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

// A reload that gives the household's place to the uplink is refused; where the
// default route comes later, the household is closed.
func TestUplinkAsHousehold(t *testing.T) {
	h := newHouse(t, nil)
	h.set(func() { h.around = Around{Links: []Link{lan(), wan()}} })
	h.running(t)
	if h.took(); h.snapshot().state != api.Open {
		t.Fatalf("%+v", h.snapshot().findings)
	}
	h.set(func() { h.around.Links[1].Household = true; h.around.Links[0].Household = false })
	h.write(t, "tunic.toml", strings.Replace(mainFile, "br-lan", "wan", 1))
	err := h.Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), "wan is this box's way to the internet") || !strings.Contains(err.Error(), "one-arm = true") {
		t.Errorf("reload: %v", err)
	}
	if got := h.snapshot(); got.state != api.Open || got.config.Household.Interfaces[0] != "br-lan" {
		t.Errorf("after the reload: %s, %v", got.state, got.config.Household.Interfaces)
	}
	h.write(t, "tunic.toml", strings.Replace(mainFile, "br-lan\"]", "wan\"]\none-arm = true", 1))
	if err := h.Reload(t.Context()); err != nil {
		t.Errorf("reload, beside the router: %v", err)
	}
	h.write(t, "tunic.toml", mainFile)
	h.set(func() { h.around = Around{Links: []Link{lan(), wan()}} })
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.set(func() { h.around.Links = []Link{changed(lan(), func(l *Link) { l.Default = true })} })
	h.again(t)
	if v := h.snapshot(); v.state != api.Closed || !slices.ContainsFunc(v.findings, func(f health.Finding) bool { return f.Code == health.HouseholdUplink }) {
		t.Errorf("%s: %+v", v.state, v.findings)
	}
}

// again makes another pass.
func (h *house) again(t *testing.T) {
	t.Helper()
	if err := h.do(t.Context(), func(ctx context.Context) error { h.pass(ctx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// What the rules are made of where interfaces are concerned.
func TestNamedInRules(t *testing.T) {
	c := &config.Config{Household: config.Household{Interfaces: []string{"br-lan"}},
		Gateway: config.Gateway{OtherNetworks: []string{"docker0", "wg0"}, Inbound: []config.Inbound{{Protocol: 6, Port: 22}}}}
	docker := Link{Name: "docker0", Up: true, Bridge: true}
	tunnel := Link{Name: "wg0", Up: true, Default: true}
	r := ownRules(Inputs{Scene: feature.Scene{Config: c, Around: Around{Links: []Link{lan(), wan(), docker, tunnel}}}})
	if r.OneArm || !slices.Equal(r.Others, []string{"docker0"}) || !slices.Equal(r.Bridges, []string{"docker0"}) || !slices.Equal(r.Inbound, []rules.Inbound{{Protocol: 6, Port: 22}}) {
		t.Errorf("%+v", r)
	}
	for name, s := range map[string]feature.Scene{
		"said so":          {Config: &config.Config{Household: config.Household{OneArm: true}}},
		"a route is there": {Config: c, Around: Around{Links: []Link{changed(lan(), func(l *Link) { l.Default = true }), wan()}}},
	} {
		if !ownRules(Inputs{Scene: s}).OneArm {
			t.Errorf("%s: the household's interface is trusted", name)
		}
	}
}

// Tor out of reach is worth knowing at first and an error after a minute, with
// tor's reason; a status that is well again forgets it.
func TestTorAway(t *testing.T) {
	h := newHouse(t, nil)
	far := tor.Status{Running: true, Bootstrap: 5, Summary: "Connecting to a relay", Warning: "No route to host"}
	tell := func(st tor.Status) []health.Finding {
		a := &attempt{Gateway: h.Gateway, in: Inputs{Scene: feature.Scene{Config: h.view.config}}}
		h.set(func() { h.box.status = st })
		a.applyTor(t.Context())
		return a.findings
	}
	if got := tell(far); len(got) != 1 || got[0].Code != health.TorNotReady || got[0].Text != "Tor is connecting: 5 %, Connecting to a relay: No route to host" {
		t.Errorf("%+v", got)
	}
	h.away = h.away.Add(-2 * time.Minute)
	if got := tell(far); len(got) != 1 || got[0].Code != health.TorAway || !strings.Contains(got[0].Text, "for 2m0s: No route to host (Tor has stood at 5 %") {
		t.Errorf("%+v", got)
	}
	well := tor.Status{Running: true, Bootstrap: 100, Live: true}
	if got := tell(well); len(got) != 0 || !h.away.IsZero() {
		t.Errorf("%+v", got)
	}
	well.Live = false
	tell(well)
	h.away = h.away.Add(-2 * time.Minute)
	if got := tell(well); len(got) != 1 || got[0].Code != health.TorAway || !strings.Contains(got[0].Text, "no relay answers") {
		t.Errorf("%+v", got)
	}
}

func TestFirewallFindings(t *testing.T) {
	c := &config.Config{Household: config.Household{Interfaces: []string{"br-lan"}, DefaultPolicy: config.PolicyTor}}
	list := []Firewall{{Program: "ufw", Hook: "forward", Table: "ip filter", Chain: "FORWARD"}, {Program: "the table inet mine", Hook: "input", Table: "inet mine", Chain: "in"}, {Program: "the table inet mine", Hook: "output", Table: "inet mine", Chain: "out"}}
	got := firewallFindings(c, list)
	if len(got) != 1 || !strings.Contains(got[0].Text, "`nft insert rule inet mine in iifname br-lan ct status dnat accept`") {
		t.Errorf("%+v", got)
	}
	c.Devices = []config.Device{{Name: "tv", Policy: config.PolicyDirect}}
	if got := firewallFindings(c, list); len(got) != 2 || !strings.Contains(got[0].Text, "`ufw route allow in on br-lan`") {
		t.Errorf("%+v", got)
	}
	if got := sealedOff(list); !strings.Contains(got, "the table inet mine refuses by default what this box sends") {
		t.Errorf("%q", got)
	}
}
