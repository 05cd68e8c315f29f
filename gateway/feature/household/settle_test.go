package household

import (
	"context"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/leases"
)

// quiet is a household where nobody was seen.
type quiet struct {
	Kernel
	System
}

func (quiet) Neighbours(context.Context, []string) ([]feature.Neighbour, error) { return nil, nil }
func (quiet) Leases() ([]leases.Lease, error)                                   { return nil, nil }

// A device has its new policy when the pass that brings it is over, and not before:
// until then its old connections are there.
func TestPolicyIsToldWhenItIsInForce(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	p := config.NewPaths(t.TempDir())
	f := &Feature{Parts: Parts{Paths: p, Kernel: quiet{}, System: quiet{}}, temporary: keep(t)}
	told := func() api.Device {
		d, err := find(f.devices(t.Context(), &config.Config{Devices: []config.Device{{Name: "tv", MAC: mac, Policy: config.PolicyTor}}}),
			"tv")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	pass := func(settle bool) {
		f.Look(t.Context(), &feature.Scene{Config: &config.Config{}}, new(feature.Report))
		if settle {
			f.Settle()
		}
	}
	err := f.temporary.change(func(all *temporary) {
		all.setPolicy(policyForAWhile{MAC: mac, Policy: config.PolicyDirect, Span: feature.NewSpan(time.Now(), time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if pass(true); told().Policy != "direct" {
		t.Errorf("in force, and told: %+v", told())
	}
	if err := f.temporary.change(func(all *temporary) { all.endPolicy(mac) }); err != nil {
		t.Fatal(err)
	}
	if pass(false); told().Policy != "direct" {
		t.Errorf("the rules are the old ones still, and told: %+v", told())
	}
	if pass(true); told().Policy != "tor" {
		t.Errorf("after the pass: %+v", told())
	}
}
