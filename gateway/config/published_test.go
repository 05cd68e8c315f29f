package config

import (
	"net/netip"
	"slices"
	"testing"
)

// Home is there without a file, has the ports of the endpoints, and those that
// its owner leads elsewhere stay there.
func TestAllOnions(t *testing.T) {
	own := Port{Virtual: 70, Target: Target{Addr: netip.MustParseAddrPort("192.168.77.20:70")}}
	c := &Config{Onions: []Onion{{Name: "photos"}}, Endpoints: []Endpoint{{Name: "gopher"}, {Name: "xmpp"}}}
	ports := func(name string) (list []uint16) {
		o, ok := c.Onion(name)
		if !ok {
			t.Fatalf("there is no onion %s", name)
		}
		for _, p := range o.Ports {
			list = append(list, p.Virtual)
		}
		return list
	}
	if got := ports(HomeOnion); !slices.Equal(got, []uint16{70, XMPPServerPort, FilesPort, PairPort}) {
		t.Errorf("home has the ports %v", got)
	}
	c.Onions = append(c.Onions, Onion{Name: HomeOnion, Ports: []Port{own}})
	home, _ := c.Onion(HomeOnion)
	if i := slices.IndexFunc(home.Ports, func(p Port) bool { return p.Virtual == 70 }); i < 0 || home.Ports[i] != own {
		t.Errorf("the owner's port 70 is gone: %+v", home.Ports)
	}
	if len(c.Onions[1].Ports) != 1 {
		t.Error("the configuration was changed")
	}
	if names := c.AllOnions(); len(names) != 2 || names[0].Name != HomeOnion || names[1].Name != "photos" {
		t.Errorf("%+v", names)
	}
	photos, _ := c.Onion("photos")
	if c.Published(photos) {
		t.Error("an onion without a port is published")
	}
	if photos.Ports = home.Ports; !c.Published(photos) {
		t.Error("an onion with ports, for everybody, is not published")
	}
}

// Somebody may find an onion if it has no list of those who may, or one that is not empty.
func TestFindable(t *testing.T) {
	alice, key := Client{Peer: "alice"}, Client{Key: "K"}
	friend := []Peer{{Name: "alice", ClientKey: "A"}}
	for what, x := range map[string]struct {
		c Config
		o Onion
	}{
		"for all":               {Config{}, Onion{Name: "photos"}},
		"for nobody":            {Config{}, Onion{Name: "photos", Private: true}},
		"for a friend":          {Config{Peers: friend}, Onion{Name: "photos", Private: true, Clients: []Client{alice}}},
		"for one who is gone":   {Config{}, Onion{Name: "photos", Private: true, Clients: []Client{alice}}},
		"a friend not named":    {Config{Peers: friend}, Onion{Name: "photos", Private: true, Clients: []Client{{Peer: "bob"}}}},
		"for a key":             {Config{}, Onion{Name: "photos", Private: true, Clients: []Client{key}}},
		"home":                  {Config{}, Onion{Name: HomeOnion}},
		"home with a friend":    {Config{Peers: friend}, Onion{Name: HomeOnion}},
		"home with a guest":     {Config{Invited: []string{"I"}}, Onion{Name: HomeOnion}},
		"another with a guest":  {Config{Invited: []string{"I"}}, Onion{Name: "photos", Private: true}},
		"home and a bearer":     {Config{}, Onion{Name: HomeOnion, Clients: []Client{key}}},
		"private home, friends": {Config{Peers: friend}, Onion{Name: HomeOnion, Private: true}},
	} {
		keys := x.c.ClientKeys(x.o)
		if got, want := x.c.Findable(x.o), keys == nil || len(keys) > 0; got != want {
			t.Errorf("%s: findable %v, and its keys are %q", what, got, keys)
		}
	}
}
