package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/backup"
	"tunic/gateway/box"
	"tunic/gateway/config"
)

// A running gateway can be backed up, and what comes back is the same box: both
// addresses of an onion, and no other key.
func TestBackupOfARunningGateway(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.running(t)
	if _, err := h.onions.Rotate(t.Context(), api.RotateRequest{Name: "photos", Keep: time.Hour}); err != nil {
		t.Fatal(err)
	}
	lock, key, err := backup.Passphrase("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	header, err := box.Header(h.Paths, "1.2")
	if err != nil || len(header.Onions) != 2 {
		t.Fatalf("header %+v, %v", header, err)
	}
	file := filepath.Join(t.TempDir(), "b")
	if _, err := backup.Create(file, backup.Plan{Header: header, Trees: box.Trees(h.Paths), Lock: lock}); err != nil {
		t.Fatal(err)
	}
	to := newHouse(t, nil)
	if has, err := box.Occupied(to.Paths); err != nil || has != "" {
		t.Errorf("a fresh box has %q, %v", has, err)
	}
	if _, err := backup.Restore(file, key, box.Trees(to.Paths), box.CheckRestored); err != nil {
		t.Fatal(err)
	}
	if has, err := box.Occupied(to.Paths); err != nil || !strings.Contains(has, "keys of onions") {
		t.Errorf("the restored box has %q, %v", has, err)
	}
	c, err := config.Load(to.Paths)
	if err != nil {
		t.Fatal(err)
	}
	next := &house{Gateway: New(to.Options, c), fakes: to.fakes}
	next.furnish()
	next.pass(t.Context())
	if was, is := h.onionAddresses(), next.onionAddresses(); len(is) != 2 || !slices.Equal(was, is) {
		t.Errorf("was %v, is %v", was, is)
	}
}

// What a backup promises must be in it.
func TestCheckRestored(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.pass(t.Context())
	dirs := []string{h.Paths.Etc, h.Paths.State}
	header, err := box.Header(h.Paths, "1.2")
	if err != nil {
		t.Fatal(err)
	}
	if err := box.CheckRestored(header, dirs); err != nil {
		t.Error(err)
	}
	for name, o := range map[string]backup.Onion{
		"other": {Name: "photos", Address: "x.onion"},
		"none":  {Name: "nobody", Address: "x.onion"},
		"path":  {Name: "../onions/photos", Address: header.Onions[0].Address},
	} {
		if err := box.CheckRestored(backup.Header{Onions: []backup.Onion{o}}, dirs); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	marked := filepath.Join(h.Paths.State, "state-version")
	if err := os.WriteFile(marked, []byte("2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := box.CheckRestored(header, dirs); !errors.Is(err, box.ErrNewerState) {
		t.Errorf("a backup of a newer state: %v", err)
	}
	if err := os.Remove(marked); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(h.Paths.OnionKeys("photos"), "hs_ed25519_secret_key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := box.CheckRestored(header, dirs); err == nil {
		t.Error("a key that everybody can read was accepted")
	}
	if _, err := box.Header(config.NewPaths(t.TempDir()), "1"); err == nil {
		t.Error("there was something in nothing")
	}
}
