package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// labOfOneRelay has a relay, auth1, whose process is this one.
func labOfOneRelay(t *testing.T, alive bool) (l *Lab, auth Relay) {
	t.Helper()
	l, auth = &Lab{plan: mustPlan(t, "x", 2), dir: t.TempDir()}, TorRelays()[0]
	if self, ok := findProcess(os.Getpid()); ok && alive {
		self.Name = auth.Name
		if err := l.change(func(s *state) { s.Processes = []Process{self} }); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(l.relayDir(auth), 0o700); err != nil {
		t.Fatal(err)
	}
	return l, auth
}

// A consensus that lacks relays is no reason to wait: there will be no other.
func TestIncompleteConsensus(t *testing.T) {
	l, auth := labOfOneRelay(t, true)
	text := strings.Repeat("r name id 2026-11-23 21:45:00 203.0.113.1 9001 0\ns Exit Running\nw Bandwidth=20\n", 6)
	if err := os.WriteFile(l.consensusFile(auth), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := l.waitNetwork(ctx, []Relay{auth}); !errors.Is(err, errIncomplete) {
		t.Errorf("with six relays of ten: %v", err)
	}
}

// If no authority has a consensus some time after the vote, nobody waits longer; with one,
// in either of its files, the wait goes on.
func TestNoConsensus(t *testing.T) {
	l, auth := labOfOneRelay(t, true)
	vote := time.Now().Add(300*time.Millisecond - firstLimit)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := l.waitFirst(ctx, []Relay{auth}, vote)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Errorf("without one: %v", err)
	}
	for _, name := range []string{"unverified-microdesc-consensus", "cached-microdesc-consensus"} {
		path := filepath.Join(l.relayDir(auth), name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.waitFirst(ctx, []Relay{auth}, vote); err != nil {
			t.Errorf("with %s: %v", name, err)
		}
		os.Remove(path)
	}
	l, auth = labOfOneRelay(t, false)
	if err := l.waitFirst(ctx, []Relay{auth}, time.Now()); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("without the authority: %v", err)
	}
}

// What is left of a relay that is to start again are its keys: a consensus in any
// other file would come back, and be the newest that others ask for.
func TestForgottenConsensus(t *testing.T) {
	l, auth := labOfOneRelay(t, false)
	for _, name := range []string{"keys/secret_id_key", "cached-microdesc-consensus", "cached-consensus", "diff-cache/0001",
		"unverified-consensus", "consensus-transparency-ns", "v3-status-votes", "sr-state"} {
		path := filepath.Join(l.relayDir(auth), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.endRelays(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(l.relayDir(auth))
	if err != nil || len(left) != 1 || left[0].Name() != "keys" {
		t.Errorf("left are %v, %v", left, err)
	}
}
