package friends

import (
	"log/slog"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/peer"
)

// While home has no keys nothing is wanted of other boxes, not what was before either:
// somebody may be forgotten meanwhile.
func TestWithoutHomeNobodyIsVisited(t *testing.T) {
	f := New(nil, Parts{Paths: config.NewPaths(t.TempDir()), Log: slog.New(slog.DiscardHandler)})
	f.known = Known{Visits: []peer.Visit{{Onion: address(1)}}}
	s := feature.Scene{Config: new(config.Config)}
	var d feature.Desired
	f.Look(t.Context(), &s, new(feature.Report)).Add(s, &d)
	if len(d.Tor.Auth) != 0 {
		t.Errorf("tor has keys for %v", d.Tor.Auth)
	}
}
