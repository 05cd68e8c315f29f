package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/relaytime"
)

// fakeClock is a machine's clock that says what a test wants.
type fakeClock struct {
	now  time.Time
	sets []time.Time
	fail error
}

func (f *fakeClock) clock() wallClock {
	return wallClock{
		now:  func() time.Time { return f.now },
		boot: func() time.Duration { return time.Minute },
		set: func(t time.Time) error {
			if f.fail != nil {
				return f.fail
			}
			f.now, f.sets = t, append(f.sets, t)
			return nil
		},
		dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route to host") },
	}
}

func clockApp(t *testing.T) (*app, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	a := &app{out: &out, err: &out, root: t.TempDir(), uid: 1000}
	for _, dir := range []string{filepath.Dir(a.paths().Clock()), a.paths().TorData()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return a, &out
}

var night = time.Date(2027, 3, 1, 22, 0, 0, 0, time.UTC)

// A clock that begins in 1970 is moved to the last time that was certain, also
// while nobody can be asked; one that is later is not moved back.
func TestFloorIsSetFirst(t *testing.T) {
	a, _ := clockApp(t)
	consensus := filepath.Join(a.paths().TorData(), "cached-microdesc-consensus")
	if err := os.WriteFile(consensus, []byte("network-status-version 3 microdesc\nvalid-after 2027-03-01 20:00:00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &fakeClock{now: time.Unix(5, 0)}
	err := a.tellTime(t.Context(), f.clock(), "", nil)
	if err == nil || !strings.Contains(err.Error(), "0 of 9 relays") || !strings.Contains(err.Error(), "no route") ||
		explain(err).hint == "" {
		t.Errorf("%v", err)
	}
	if !f.now.Equal(night.Add(-2*time.Hour)) || len(f.sets) != 1 {
		t.Errorf("the clock was set to %v", f.sets)
	}
	f = &fakeClock{now: night}
	if err := a.tellTime(t.Context(), f.clock(), "", nil); err == nil || len(f.sets) > 0 {
		t.Errorf("%v, set to %v", err, f.sets)
	}
	if _, err := relaytime.ReadNote(a.paths().Clock()); err == nil {
		t.Error("there is a note, and nobody has said anything")
	}
}

func TestClockFollowsRelays(t *testing.T) {
	agreed := relaytime.Agreed{Start: night.Add(-time.Minute), Error: time.Second, Count: 8, Asked: 9}
	for name, c := range map[string]struct {
		now  time.Time
		set  bool
		want string
	}{
		"behind":           {night.AddDate(-2, 0, 0), true, "wrong by 17520h0m0s"},
		"ahead":            {night.AddDate(0, 0, 30), true, "wrong by 720h0m0s"},
		"a little behind":  {night.Add(-4 * time.Second), false, "8 of 9 relays agree with the clock"},
		"more than little": {night.Add(6 * time.Second), true, "wrong by 6s"},
	} {
		a, out := clockApp(t)
		f := &fakeClock{now: c.now}
		if err := a.correct(f.clock(), agreed); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
		if c.set != (len(f.sets) == 1) || c.set && !f.now.Equal(night) {
			t.Errorf("%s: set to %v", name, f.sets)
		}
		n, err := relaytime.ReadNote(a.paths().Clock())
		if err != nil || n.Count != 8 || !n.Start.Equal(agreed.Start) || n.Boot != time.Minute {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

// A note that promises a clock which could not be set would be a lie.
func TestClockThatCannotBeSet(t *testing.T) {
	a, _ := clockApp(t)
	f := &fakeClock{now: time.Unix(5, 0), fail: os.ErrPermission}
	if err := a.tellTime(t.Context(), f.clock(), "", nil); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
	if err := a.correct(f.clock(), relaytime.Agreed{Start: night, Count: 8, Asked: 9}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
	if _, err := relaytime.ReadNote(a.paths().Clock()); err == nil {
		t.Error("there is a note")
	}
}

func TestClockIsNotForRoot(t *testing.T) {
	a, out := clockApp(t)
	a.uid, a.env = 0, func(string) string { return a.root }
	if code := execute(t.Context(), a, []string{"clock"}); code != exitUsage ||
		!strings.Contains(out.String(), "systemctl start tunic-clock") {
		t.Errorf("%d: %s", code, out)
	}
}

// It waits for the daemon to write down which relays tor speaks with, and not for ever.
func TestAwaitFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "torrc")
	time.AfterFunc(500*time.Millisecond, func() { _ = os.WriteFile(path, []byte("x"), 0o600) })
	if text, err := awaitFile(t.Context(), path, time.Minute); err != nil || text != "x" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := awaitFile(t.Context(), path+".none", time.Millisecond); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
