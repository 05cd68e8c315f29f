//go:build lab

package tor

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTorTakesBridgesAndExits has the real tor judge what we write.
func TestTorTakesBridgesAndExits(t *testing.T) {
	base := labDir(t)
	s, err := labSpec(base)
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := FindTransport("obfs4")
	if err != nil {
		t.Fatal(err)
	}
	s.Bridges, s.Plugins = bridgedSpec().Bridges, []Plugin{plugin, {"meek_lite", plugin.Path}}
	s.Exits, s.IsolateDestinations = bridgedSpec().Exits, true
	s.Exits.GeoIP = GeoIP{filepath.Join(base, "geoip"), filepath.Join(base, "geoip6")}
	for path, text := range map[string]string{s.Exits.GeoIP.IPv4: "3405803776,3405804031,DE\n",
		s.Exits.GeoIP.IPv6: "2001:db8::,2001:db8::ffff,DE\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	if err := verify(t.Context(), s, log); err != nil {
		t.Error(err)
	}
	s.Bridges[0].Line = strings.Replace(bridgeLine, bridgePrint, bridgePrint+"00", 1)
	if err := verify(t.Context(), s, log); err == nil || strings.Contains(err.Error(), bridgeCert) ||
		strings.Contains(err.Error(), "203.0.113.20") {
		t.Errorf("a wrong line: %v", err)
	}
}
