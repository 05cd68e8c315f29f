package relaytime

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFloor(t *testing.T) {
	built := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"network-status-version 3 microdesc\nvote-status consensus\nvalid-after 2026-11-28 20:00:00\n": told.Add(-time.Hour),
		"valid-after 2025-01-01 00:00:00\n": built, // an older program had it
		"valid-after 2126-01-01 00:00:00\n": built,
		"valid-after soon\n":                built,
		"":                                  built,
		strings.Repeat("x\n", 4096) + "valid-after 2026-11-28 20:00:00\n": built,
	} {
		path := filepath.Join(t.TempDir(), "cached-microdesc-consensus")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Floor(built, filepath.Join(t.TempDir(), "none"), path); !got.Equal(want) {
			t.Errorf("%.40q: %s", text, got)
		}
	}
}

// TestFloorWaitsForNoPipe: tor owns the directory, and may have been taken over.
func TestFloorWaitsForNoPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cached-microdesc-consensus")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan time.Time, 1)
	go func() { done <- Floor(told, path) }()
	select {
	case got := <-done:
		if !got.Equal(told) {
			t.Errorf("a pipe says %s", got)
		}
	case <-time.After(30 * time.Second):
		t.Error("a pipe in place of a consensus is waited for")
	}
}
