package desire

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/feature/i2p"
	"tunic/rules"
)

// wisher wants a way for serve, and keeps the scene that it looked at.
type wisher struct{ seen *feature.Scene }

func (wisher) Name() string { return "wisher" }

func (w wisher) Look(_ context.Context, s *feature.Scene, _ *feature.Report) feature.Wish {
	*w.seen = *s
	return feature.Always(way)
}

func way(s feature.Scene, d *feature.Desired) {
	d.May(s.Serve, feature.OnLoopback(rules.ProtocolTCP, 1234))
}

func inputs() Inputs {
	return Inputs{Scene: feature.Scene{Mode: rules.Open, Certain: time.Now(),
		Config: &config.Config{Household: config.Household{Interfaces: []string{"br-lan"}, DefaultPolicy: config.PolicyTor}},
		Facts: feature.Facts{Interfaces: []feature.InterfaceFacts{
			{Name: "br-lan", Index: 4, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24")}}}},
		ChildIDs: feature.ChildIDs{Tor: feature.IDs{UID: 107}, Serve: feature.IDs{UID: 109}}}}
}

// Wishes are added to what is wanted without any feature; Closed has them too, and is
// computed from a scene for which nothing may be signed or written.
func TestClosedIsOfTheSameWishes(t *testing.T) {
	var seen feature.Scene
	closed := Closed(t.Context(), []feature.Feature{wisher{&seen}}, inputs())
	if !seen.Foreseen || !seen.Certain.IsZero() || closed.Mode != rules.Lockdown {
		t.Errorf("seen %+v, mode %v", seen, closed.Mode)
	}
	in := inputs()
	in.Foresee(t.Context(), []feature.Feature{wisher{&seen}})
	open := State(in).Rules
	if open.Mode != rules.Open || !slices.Equal(open.Prefixes, []netip.Prefix{netip.MustParsePrefix("192.168.77.0/24")}) {
		t.Errorf("open: %+v", open)
	}
	wished := func(c rules.Child) bool {
		return c.UID == 109 && slices.Contains(c.May, feature.OnLoopback(rules.ProtocolTCP, 1234))
	}
	for name, in := range map[string]rules.Input{"open": open, "closed": closed} {
		if !slices.ContainsFunc(in.Children, wished) || slices.ContainsFunc(in.Children, func(c rules.Child) bool { return c.UID == 0 }) {
			t.Errorf("%s: %+v", name, in.Children)
		}
	}
}

// Each server that a configuration wants is looked for, i2pd too.
func TestServersOfEachFeature(t *testing.T) {
	c := *inputs().Config
	c.I2P.Enabled = true
	list := Servers(t.Context(), []feature.Feature{i2p.Feature{}}, &c)
	if len(list) != 1 || list[0].Name != "i2pd" {
		t.Errorf("%+v", list)
	}
}
