package main

import (
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/health"
)

// The first line of the status says who is protected, who is not, and that
// something is wrong.
func TestStateWords(t *testing.T) {
	evening := time.Date(2026, 11, 29, 21, 40, 0, 0, time.Local)
	devices := []api.Device{{Name: "laptop", Policy: "tor", Seen: true}, {Name: "tablet", Policy: "tor"},
		{MAC: "02::1", Policy: "tor", Seen: true},
		{Name: "tv", Policy: "direct", Until: &evening}, {MAC: "02:00:00:00:00:09", Policy: "onion"}, {Name: "lamp", Policy: "block"}}
	many := api.Household{Devices: []api.Device{{Policy: "direct"}, {Policy: "direct"}, {Policy: "direct"}, {Policy: "direct"}}}
	info, warning := health.New(health.HomePrivate, "", "x"), health.New(health.TargetUnreachable, "", "y")
	for want, s := range map[string]api.Status{
		"protected: 2 devices through Tor, 02:00:00:00:00:09 direct, outside Tor, tv direct, outside Tor until 21:40, lamp blocked": {
			State: api.Open, Ready: true, Household: api.Household{Devices: devices}, Findings: []health.Finding{info}},
		"protected: 0 devices through Tor, 4 devices direct, outside Tor; there is a warning below": {
			State: api.Open, Ready: true, Household: many, Findings: []health.Finding{info, warning}},
		"protected: 0 devices through Tor; there are 2 warnings below": {
			State: api.Open, Ready: true, Findings: []health.Finding{warning, warning}},
		"protected: 0 devices through Tor; not everything works yet: mail starts": {State: api.Open, Why: "mail starts"},
		"off line: nothing leaves the house: Tor is connecting: 5 %":              {Why: " Tor is connecting: 5 % "},
	} {
		if got := stateWords(s); got != want {
			t.Errorf("%q, not\n%q", got, want)
		}
	}
}

func TestWrapped(t *testing.T) {
	const text = "one two three vccyruoy4qsr5dix7scbccg27lusyhb3jwpl46xjotdtmplg4rhqh7qd.onion four"
	if got := wrapped(text, 0, "  "); got != "  "+text {
		t.Errorf("to a file: %q", got)
	}
	lines := strings.Split(wrapped(text, 40, "  "), "\n")
	if len(lines) != 3 || lines[0] != "  one two three" || lines[2] != "  four" {
		t.Errorf("%q", lines)
	}
	if got := strings.Join(strings.Fields(strings.Join(lines, " ")), " "); got != text {
		t.Errorf("something is lost: %q", got)
	}
}
