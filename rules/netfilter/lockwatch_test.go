package netfilter

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What uses the lock is heard of; without the file, or with another one in its place, legacy
// tables are looked at often.
func TestLockWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "xtables.lock")
	l := &lockWatch{path: path}
	if got := l.every(t.Context(), true); got != legacyEvery {
		t.Errorf("without a lock it looks each %v", got)
	}
	use := func() {
		f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600) // as iptables does
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	use()
	for calm, want := range map[bool]time.Duration{true: legacyQuiet, false: legacyEvery} {
		if got := l.every(t.Context(), calm); got != want {
			t.Errorf("with a lock, calm %v, it looks each %v, want %v", calm, got, want)
		}
	}
	for range 2 {
		use()
		select {
		case <-l.used:
		case <-time.After(30 * time.Second):
			t.Fatal("nobody hears that the lock was used")
		}
	}
	lost := l.lost
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost:
	case <-time.After(30 * time.Second):
		t.Fatal("nobody hears that the lock is gone")
	}
	if got := l.every(t.Context(), true); got != legacyEvery {
		t.Errorf("after the lock has gone it looks each %v", got)
	}
	use()
	if got := l.every(t.Context(), true); got != legacyQuiet {
		t.Errorf("with another lock in its place it looks each %v", got)
	}
}
