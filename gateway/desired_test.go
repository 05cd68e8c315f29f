package gateway

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/feature/bypass"
	timekeeping "tunic/gateway/feature/clock"
	"tunic/gateway/feature/entry"
	"tunic/gateway/feature/friends"
	"tunic/gateway/feature/gopher"
	"tunic/gateway/feature/household"
	"tunic/gateway/feature/i2p"
	"tunic/gateway/feature/irc"
	"tunic/gateway/feature/mail"

	numbers "tunic/gateway/feature/metrics"
	"tunic/gateway/feature/networks"
	"tunic/gateway/feature/onions"
	"tunic/gateway/feature/page"
	"tunic/gateway/feature/people"
	"tunic/gateway/feature/xmpp"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
	"tunic/rules"
)

// features are those of every house in tests.
var features = []feature.Feature{onions.New(nil, onions.Parts{}), friends.New(nil, friends.Parts{}),
	household.New(nil, household.Parts{}), entry.Feature{}, bypass.New(nil, config.Paths{}, nil), timekeeping.Feature{},
	networks.Feature{}, people.New(nil), mail.New(nil, nil), irc.Feature{}, xmpp.New(), i2p.Feature{}, numbers.Feature{}, gopher.Feature{},
	page.New(nil, page.Parts{})}

func inputs() desire.Inputs {
	in := desire.Inputs{Scene: feature.Scene{
		Config: &config.Config{
			Household: config.Household{Interfaces: []string{"br-lan", "guest"}, DefaultPolicy: config.PolicyTor},
			Gateway:   config.Gateway{OwnTraffic: config.OwnTor},
			Tor:       config.Tor{Binary: "tor"},
			Socks:     config.Socks{Port: 9050},
			DNS:       config.DNS{Forward: []config.Forward{{Domain: "lan", Server: netip.MustParseAddrPort("192.168.1.1:53")}}},
			Devices:   []config.Device{{Name: "tv", MAC: "02:00:00:00:00:10", Policy: config.PolicyBlock}},
			Onions: []config.Onion{{Name: "photos", Ports: []config.Port{
				{Virtual: 80, Target: config.Target{Addr: netip.MustParseAddrPort("192.168.77.20:8080")}}}}},
			Endpoints: []config.Endpoint{{Name: "gopher", Root: "/srv/gopher"}},
		},
		Facts: feature.Facts{IPv6: true, Interfaces: []feature.InterfaceFacts{
			{Name: "br-lan", Index: 4, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24"),
				netip.MustParsePrefix("fd77::1/64")}},
			{Name: "guest"}}},
		Paths:     config.NewPaths("/r"),
		ChildIDs:  feature.ChildIDs{Tor: feature.IDs{UID: 107, GID: 108}, Serve: feature.IDs{UID: 109}, XMPP: feature.IDs{UID: 110}},
		Ranges:    feature.Ranges{Virtual4: netip.MustParsePrefix("10.192.0.0/16"), Virtual6: netip.MustParsePrefix("fd12:3456:789a::/48")},
		Addresses: map[string]onion.Address{"photos": "aaaa", "home": "bbbb"},
		Mode:      rules.Open,
	}}
	in.Foresee(context.Background(), features)
	return in
}

func TestDesireIsPure(t *testing.T) {
	a, b := desire.State(inputs()), desire.State(inputs())
	if !reflect.DeepEqual(a, b) {
		t.Error("the same inputs gave two desired states")
	}
}

func TestHomeCarriesEndpointsOnlyWhenPublic(t *testing.T) {
	in := inputs()
	if names := frontNames(desire.State(in)); !slices.Equal(names, []string{"photos"}) {
		t.Errorf("a private home: %v", names)
	}
	in.Config.Onions = append(in.Config.Onions, config.Onion{Name: "home", Public: true})
	d := desire.State(in)
	if names := frontNames(d); !slices.Equal(names, []string{"home", "photos"}) {
		t.Fatalf("a public home: %v", names)
	}
	home := d.Serve.Fronts[0]
	if len(home.Ports) != 2 || home.Ports[1].Endpoint != "pair" || home.Ports[0].Virtual != 70 ||
		home.Ports[0].Endpoint != "gopher" || home.Host != "bbbb.onion" {
		t.Errorf("home is %+v", home)
	}
	if in.Config.Onions[1].Ports != nil {
		t.Error("desire changed the configuration")
	}
}

func frontNames(d feature.Desired) []string {
	var names []string
	for _, f := range d.Serve.Fronts {
		names = append(names, f.Onion)
	}
	return names
}

// A listener that nobody may connect to, or a name without its socket, would
// be a hole or a dead service.
func TestEveryListenerIsBoundAndUsed(t *testing.T) {
	d := desire.State(inputs())
	used := map[string]bool{}
	for _, f := range d.Serve.Fronts {
		used[f.Listener] = true
	}
	for _, l := range d.Serve.DNS.Listeners {
		used[l.UDP], used[l.TCP] = true, true
	}
	for _, l := range slices.Concat(d.Serve.SOCKS.Listeners, d.Serve.Gopher.Listeners) {
		used[l] = true
	}
	for _, l := range d.Serve.NTP.Own {
		used[l] = true
	}
	for _, l := range d.Listeners {
		if !used[l.Name] {
			t.Errorf("%s is opened for nobody", l.Name)
		}
		delete(used, l.Name)
		switch {
		case l.Network == "unix" && (l.Mode != 0o660 || l.GID != 108):
			t.Errorf("front %s has mode %v, group %d", l.Name, l.Mode, l.GID)
		case strings.HasPrefix(l.Name, "own-"):
			if !l.Addr.IsLoopback() {
				t.Errorf("%s is bound to %v", l.Name, l.Addr)
			}
		case l.Network != "unix" && l.Interface != "br-lan":
			t.Errorf("%s is bound to %q", l.Name, l.Interface)
		}
	}
	if len(used) > 0 {
		t.Errorf("no socket is opened for %v", used)
	}
}

func TestInterfaceThatCameBackGetsNewSockets(t *testing.T) {
	in := inputs()
	before := desire.State(in)
	in.Facts.Interfaces[0].Index = 9
	after := desire.State(in)
	for i, l := range after.Listeners {
		if l.Interface == "br-lan" && l.Name == before.Listeners[i].Name {
			t.Errorf("%s would be kept for another interface", l.Name)
		}
	}
}

func TestWithoutIPv6NothingListensOnIt(t *testing.T) {
	in := inputs()
	in.Facts.IPv6 = false
	d := desire.State(in)
	for _, l := range d.Listeners {
		if l.Network == "tcp6" || l.Network == "udp6" {
			t.Errorf("%s cannot be opened", l.Name)
		}
	}
	if !d.Tor.NoIPv6 {
		t.Error("tor is told to listen on IPv6")
	}
}

// A service is told all addresses by which it is asked, its own former ones too.
func TestFrontHasItsFormerAddresses(t *testing.T) {
	in := inputs()
	in.Former = map[string][]onion.Address{"home": {"bbb0"}, "photos": {"ppp0"}}
	if f := desire.State(in).Serve.Fronts[0]; f.Onion != "photos" || !slices.Equal(f.Former, []string{"ppp0.onion"}) {
		t.Errorf("%+v", f)
	}
}

// Visitors of an onion that stands for several boxes ask for the address of all.
func TestFrontOfABalancedOnion(t *testing.T) {
	in := inputs()
	in.Config.Onions[0].Balance = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd"
	d := desire.State(in)
	name, master := in.Config.Onions[0].Name, onion.Address(in.Config.Onions[0].Balance)
	if f := d.Serve.Fronts[0]; f.Onion != name || !slices.Equal(f.Former, []string{master.Host()}) {
		t.Errorf("%+v", f)
	}
	if i := slices.IndexFunc(d.Tor.Onions, func(o tor.Onion) bool { return o.Name == name }); i < 0 || d.Tor.Onions[i].Balance != master {
		t.Errorf("%+v", d.Tor.Onions)
	}
}
