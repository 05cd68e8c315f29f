package main

import (
	"os"
	"reflect"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// Every feature has a name of its own, wants the same twice, and makes nothing for
// a scene that is foreseen; also where nothing is known of the box yet.
func TestFeaturesArePure(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range emptyHouse().features() {
		if f.Name() == "" || seen[f.Name()] {
			t.Errorf("a second feature has the name %q", f.Name())
		}
		seen[f.Name()] = true
		for _, own := range []config.OwnTraffic{config.OwnTor, config.OwnDirect} {
			c := &config.Config{Gateway: config.Gateway{OwnTraffic: own, NTP: true},
				Endpoints: []config.Endpoint{{Name: "smtp"}, {Name: "irc"}, {Name: "xmpp"}, {Name: "gopher", Root: "/srv/gopher"}}}
			s := feature.Scene{Foreseen: true, Paths: config.NewPaths(t.TempDir()), Config: c}
			if err := os.MkdirAll(s.Paths.State, 0o755); err != nil {
				t.Fatal(err)
			}
			want := f.Look(t.Context(), &s, new(feature.Report))
			if left, err := os.ReadDir(s.Paths.State); err != nil || len(left) > 0 {
				t.Errorf("for a scene that is foreseen %s makes %v, %v", f.Name(), left, err)
			}
			var a, b feature.Desired
			want.Add(s, &a)
			want.Add(s, &b)
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s wants something else the second time:\n%+v\n%+v", f.Name(), a, b)
			}
		}
	}
}
