package main

import (
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/health"
)

// The first line of the status does not say that all works above a warning.
func TestStateWords(t *testing.T) {
	for want, findings := range map[string][]health.Finding{
		"the household is open, everything works": {health.New(health.HomePrivate, "", "x")},
		"the household is open; see the warnings at the end": {health.New(health.HomePrivate, "", "x"),
			health.New(health.TargetUnreachable, "", "y")},
	} {
		if got := stateWords(api.Status{State: api.Open, Ready: true, Findings: findings}); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
