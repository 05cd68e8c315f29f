package feature_test

import (
	"context"
	"fmt"

	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/rules"
)

// finger tells who is at home (RFC 1288). It is a feature in full: what it looks at
// ends in its wish, so that the wish depends on the scene alone.
type finger struct{ plan string }

var _ feature.Feature = finger{}

func (finger) Name() string { return "finger" }

func (f finger) Look(_ context.Context, _ *feature.Scene, r *feature.Report) feature.Wish {
	if f.plan == "" {
		r.Find(health.ServerMissing, "finger", "there is no plan to tell")
		return feature.Wish{}
	}
	return feature.Always(want)
}

func want(s feature.Scene, d *feature.Desired) {
	if s.Mode == rules.Open {
		d.Door(s, feature.Door{Name: "finger", Public: 79, Internal: 9379})
	}
}

// A pass has each feature look, and adds up what they wish.
func Example() {
	scene := feature.Scene{Mode: rules.Open,
		Facts: feature.Facts{IPv6: true, Interfaces: []feature.InterfaceFacts{{Name: "br-lan", Index: 4}}}}
	closed := scene
	closed.Mode = rules.Lockdown
	var r feature.Report
	wish := finger{"at home"}.Look(context.Background(), &scene, &r)
	for _, s := range []feature.Scene{scene, closed} {
		var d feature.Desired
		wish.Add(s, &d)
		fmt.Println(len(d.Rules.Services), len(d.Listeners))
		for _, l := range d.Listeners {
			fmt.Println(l.Name, l.Port)
		}
	}
	finger{}.Look(context.Background(), &scene, &r)
	fmt.Println(r.Findings[0].Subject, r.Findings[0].Text)
	// Output:
	// 1 2
	// finger/br-lan#4/tcp4 9379
	// finger/br-lan#4/tcp6 9379
	// 0 0
	// finger there is no plan to tell
}
