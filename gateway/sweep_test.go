package gateway

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/box"
)

// TestSweep: a daemon that starts takes away what was half written where keys
// are, and says what it may not take away.
func TestSweep(t *testing.T) {
	h := newHouse(t, nil)
	p := h.Paths
	keys := []string{p.OnionKeys("photos"), p.RetiredKeys("photos", "old"), p.PeerKeys("alice")}
	restored := filepath.Join(filepath.Dir(p.State), ".tunic.restore-17")
	for _, dir := range append(keys, restored) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{".new-0", "hs_ed25519_secret_key"} {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.WriteFile(path, []byte("secret"), 0o600),
				os.Chtimes(path, time.Time{}, h.started.Add(-time.Hour))); err != nil {
				t.Fatal(err)
			}
		}
	}
	var said strings.Builder
	h.Log = slog.New(slog.NewTextHandler(&said, nil))
	box.Sweep(h.Paths, h.started, h.Log)
	for _, dir := range keys {
		if _, err := os.Stat(filepath.Join(dir, ".new-0")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("in %s: %v", dir, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "hs_ed25519_secret_key")); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(said.String(), "a restore that was interrupted") || !strings.Contains(said.String(), restored) {
		t.Errorf("it says\n%s", said.String())
	}
}
