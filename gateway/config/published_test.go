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
