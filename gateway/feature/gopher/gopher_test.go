package gopher

import (
	"slices"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/rules"
)

// The household has a door to the server of the configuration, and none without it.
func TestDoor(t *testing.T) {
	s := feature.Scene{Config: &config.Config{Endpoints: []config.Endpoint{{Name: "gopher", Root: "/srv/gopher"}}},
		Facts: feature.Facts{IPv6: true, Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4}, {Name: "guest"}}}}
	var d feature.Desired
	want(s, &d)
	if g := d.Serve.Gopher; g == nil || g.Root != "/srv/gopher" ||
		!slices.Equal(g.Listeners, []string{"gopher/br-lan#4/tcp4", "gopher/br-lan#4/tcp6"}) {
		t.Errorf("%+v", g)
	}
	if !slices.Equal(d.Rules.Services, []rules.Service{{Name: "gopher", Public: 70, Internal: config.ServeGopherPort}}) ||
		len(d.Listeners) != 2 {
		t.Errorf("%+v, %+v", d.Rules.Services, d.Listeners)
	}
	var none feature.Desired
	s.Config.Endpoints = nil
	if want(s, &none); none.Serve.Gopher != nil || len(none.Rules.Services) > 0 {
		t.Errorf("%+v", none)
	}
}
