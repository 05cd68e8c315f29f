package api

import (
	"testing"
	"time"

	"tunic/gateway/health"
)

// The first line of the status says who is protected, who is not, and that
// something is wrong.
func TestFridge(t *testing.T) {
	evening := time.Date(2026, 11, 29, 21, 40, 0, 0, time.Local)
	devices := []Device{{Name: "laptop", Policy: "tor", Seen: true}, {Name: "tablet", Policy: "tor"},
		{MAC: "02::1", Policy: "tor", Seen: true},
		{Name: "tv", Policy: "direct", Until: &evening}, {MAC: "02:00:00:00:00:09", Policy: "onion"}, {Name: "lamp", Policy: "block"}}
	many := Household{Devices: []Device{{Policy: "direct"}, {Policy: "direct"}, {Policy: "direct"}, {Policy: "direct"}}}
	info, warning := health.New(health.HomePrivate, "", "x"), health.New(health.TargetUnreachable, "", "y")
	for want, s := range map[string]Status{
		"protected: 2 devices through Tor, 02:00:00:00:00:09 direct, outside Tor, tv direct, outside Tor until 21:40, lamp blocked": {
			State: Open, Ready: true, Household: Household{Devices: devices}, Findings: []health.Finding{info}},
		"protected: 0 devices through Tor, 4 devices direct, outside Tor; there is a warning below": {
			State: Open, Ready: true, Household: many, Findings: []health.Finding{info, warning}},
		"protected: 0 devices through Tor; there are 2 warnings below": {
			State: Open, Ready: true, Findings: []health.Finding{warning, warning}},
		"protected: 0 devices through Tor; not everything works yet: mail starts": {State: Open, Why: "mail starts"},
		"off line: nothing leaves the house: Tor is connecting: 5 %":              {Why: " Tor is connecting: 5 % "},
	} {
		if got := s.Fridge().String(); got != want {
			t.Errorf("%q, not\n%q", got, want)
		}
	}
}
