package main

import (
	"reflect"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// Every feature has a name of its own, and wants the same twice; also where
// nothing is known of the box yet.
func TestFeaturesArePure(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range emptyHouse().features() {
		if f.Name() == "" || seen[f.Name()] {
			t.Errorf("a second feature has the name %q", f.Name())
		}
		seen[f.Name()] = true
		for _, own := range []config.OwnTraffic{config.OwnTor, config.OwnDirect} {
			c := &config.Config{Gateway: config.Gateway{OwnTraffic: own, NTP: true}}
			s := feature.Scene{Foreseen: true, Paths: config.NewPaths(t.TempDir()), Config: c}
			want := f.Look(t.Context(), &s, new(feature.Report))
			var a, b feature.Desired
			want(s, &a)
			want(s, &b)
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s wants something else the second time:\n%+v\n%+v", f.Name(), a, b)
			}
		}
	}
}
