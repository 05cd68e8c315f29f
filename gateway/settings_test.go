package gateway

import (
	"os"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/rules"
)

// Settings from the page change the rules like a reload, a finding says that they wait,
// and taken back everything is as it was: the files, and what is in force.
func TestSettingsFromThePage(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	now, err := h.settings.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := now.SettingsRequest
	want.Policy = string(config.PolicyBlock)
	plan, err := h.settings.Plan(t.Context(), want)
	if err != nil || len(plan.Changes) != 1 || !strings.Contains(strings.Join(plan.Detail, "\n"), "TUNIC") {
		t.Errorf("%+v, %v", plan, err)
	}
	if h.lastOpen.Default != rules.Tor {
		t.Errorf("planned, devices have %v", h.lastOpen.Default)
	}
	if err := h.settings.Apply(t.Context(), "ann", want); err != nil {
		t.Fatal(err)
	}
	if h.lastOpen.Default != rules.Block || !slices.Contains(h.codes(t), string(health.SettingsTrial)) {
		t.Errorf("applied, devices have %v; %q", h.lastOpen.Default, h.codes(t))
	}
	if err := h.settings.TakeBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(h.Paths.Main())
	if h.lastOpen.Default != rules.Tor || string(text) != mainFile || slices.Contains(h.codes(t), string(health.SettingsTrial)) {
		t.Errorf("taken back, devices have %v: %v, %s", h.lastOpen.Default, err, text)
	}
	h.set(func() { h.fail["rules"] = errBroken })
	want.Of = now.Of
	if err := h.settings.Apply(t.Context(), "ann", want); err == nil {
		t.Error("without rules it is applied")
	}
	h.set(func() { h.fail = map[string]error{} })
	if text, _ := os.ReadFile(h.Paths.Main()); string(text) != mainFile || slices.Contains(h.codes(t), string(health.SettingsTrial)) {
		t.Errorf("a failure leaves %s", text)
	}
}
