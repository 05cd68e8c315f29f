package gateway

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/tor"
)

func lan() feature.Link {
	return feature.Link{Name: "br-lan", Up: true, Carrier: true, Household: true}
}

func wan() feature.Link { return feature.Link{Name: "wan", Up: true, Carrier: true, Default: true} }

// A reload that gives the household's place to the uplink is refused; where the
// default route comes later, the household is closed.
func TestUplinkAsHousehold(t *testing.T) {
	h := newHouse(t, nil)
	h.set(func() { h.around = feature.Surroundings{Links: []feature.Link{lan(), wan()}} })
	h.running(t)
	if h.took(); h.snapshot().state != api.Open {
		t.Fatalf("%+v", h.snapshot().findings)
	}
	h.set(func() { h.around.Links[1].Household = true; h.around.Links[0].Household = false })
	h.write(t, "tunic.toml", strings.Replace(mainFile, "br-lan", "wan", 1))
	err := h.Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), "wan is this box's way to the internet") ||
		!strings.Contains(err.Error(), "one-arm = true") {
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
	h.set(func() { h.around = feature.Surroundings{Links: []feature.Link{lan(), wan()}} })
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.set(func() {
		h.around.Links = []feature.Link{{Name: "br-lan", Up: true, Carrier: true, Household: true, Default: true}}
	})
	h.again(t)
	if v := h.snapshot(); v.state != api.Closed ||
		!slices.ContainsFunc(v.findings, func(f health.Finding) bool { return f.Code == health.HouseholdUplink }) {
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

// Tor out of reach is worth knowing at first and an error after a minute, or as soon as
// tor says why.
func TestTorAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		far := tor.Status{Running: true, Bootstrap: 5, Summary: "Connecting to a relay", Warning: "No route to host"}
		tell := func(st tor.Status) []health.Finding {
			p := &pass{Gateway: h.Gateway, in: desire.Inputs{Scene: feature.Scene{Config: h.current.config}}}
			h.set(func() { h.fakes.status = st })
			p.applyTor(t.Context())
			return p.findings
		}
		if got := tell(far); len(got) != 1 || got[0].Code != health.TorNotReady ||
			got[0].Text != "Tor is connecting: 5 %, Connecting to a relay: No route to host" {
			t.Errorf("%+v", got)
		}
		time.Sleep(9 * time.Second)
		if got := tell(far); len(got) != 1 || got[0].Code != health.TorAway ||
			!strings.Contains(got[0].Text, "for 9s: No route to host") {
			t.Errorf("%+v", got)
		}
		silent := far
		silent.Warning = ""
		if got := tell(silent); len(got) != 1 || got[0].Code != health.TorNotReady {
			t.Errorf("a start of which tor says nothing bad: %+v", got)
		}
		time.Sleep(2 * time.Minute)
		if got := tell(far); len(got) != 1 || got[0].Code != health.TorAway ||
			!strings.Contains(got[0].Text, "No route to host (Tor has stood at 5 %") {
			t.Errorf("%+v", got)
		}
		if got := tell(tor.Status{Running: true, Bootstrap: 100, Live: true}); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	})
}
