package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fake is a system that remembers what it was asked, and fails once.
type fake struct {
	units  map[string]Unit
	timers map[string]time.Duration
	open   bool // no rules are there
	users  string
	calls  []string
	failAt int // the number of the call that fails; 0 is none
	onCall func(call string)
}

var errFake = errors.New("it does not work")

func newFake(active ...string) *fake {
	f := &fake{units: map[string]Unit{}, timers: map[string]time.Duration{}, open: true}
	for _, name := range active {
		f.units[name] = Unit{Name: name, Active: true, Enabled: true}
		f.open = f.open && name != daemon
	}
	return f
}

func (f *fake) call(ctx context.Context, format string, args ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	call := fmt.Sprintf(format, args...)
	f.calls = append(f.calls, call)
	if f.onCall != nil {
		f.onCall(call)
	}
	if len(f.calls) == f.failAt {
		return fmt.Errorf("%s: %w", call, errFake)
	}
	return nil
}

func (f *fake) change(ctx context.Context, verb string, units []string, change func(*Unit)) error {
	err := f.call(ctx, "%s %s", verb, strings.Join(units, " "))
	for _, name := range units {
		u := f.units[name]
		u.Name = name
		if err == nil {
			change(&u)
			f.units[name] = u
		}
	}
	return err
}

func (f *fake) State(ctx context.Context, name string) (Unit, error) {
	u := f.units[name]
	u.Name = name
	return u, f.call(ctx, "state %s", name)
}

func (f *fake) Start(ctx context.Context, units ...string) error {
	f.open = f.open && !slices.Contains(units, daemon)
	return f.change(ctx, "start", units, func(u *Unit) { u.Active = true })
}

func (f *fake) Stop(ctx context.Context, units ...string) error {
	return f.change(ctx, "stop", units, func(u *Unit) { u.Active = false })
}

func (f *fake) Enable(ctx context.Context, units ...string) error {
	return f.change(ctx, "enable", units, func(u *Unit) { u.Enabled = true })
}

func (f *fake) Disable(ctx context.Context, units ...string) error {
	return f.change(ctx, "disable", units, func(u *Unit) { u.Enabled = false })
}

func (f *fake) Later(ctx context.Context, timer string, after time.Duration) error {
	err := f.call(ctx, "later %s", timer)
	if err == nil {
		f.timers[timer] = after
	}
	return err
}

func (f *fake) Never(ctx context.Context, timers ...string) error {
	for _, t := range timers {
		delete(f.timers, t)
	}
	return f.call(ctx, "never %s", strings.Join(timers, " "))
}

func (f *fake) Guarded(ctx context.Context) (bool, error) { return !f.open, f.call(ctx, "guarded") }

func (f *fake) Reload(ctx context.Context) error { return f.call(ctx, "reload") }
func (f *fake) Ready(ctx context.Context) error  { return f.call(ctx, "ready") }

func (f *fake) Open(ctx context.Context) error {
	err := f.call(ctx, "open")
	f.open = err == nil
	return err
}

func (f *fake) AddUser(ctx context.Context, name, _ string) error {
	err := f.call(ctx, "add %s", name)
	if err == nil {
		err = os.WriteFile(f.users+"/"+name+".json", []byte("secret"), 0o600)
	}
	return err
}

// moved are units that are on or start at boot.
func (f *fake) moved() map[string]Unit {
	list := maps.Clone(f.units)
	maps.DeleteFunc(list, func(_ string, u Unit) bool { return !u.Active && !u.Enabled })
	return list
}

// files are those below a directory, with their modes and texts.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	list := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "journal") {
			return err
		}
		text, err := os.ReadFile(path)
		info, _ := d.Info()
		list[path] = fmt.Sprintf("%v %s", info.Mode(), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func newInstaller(t *testing.T, f *fake) (Installer, Plan, string) {
	t.Helper()
	dir := t.TempDir()
	f.users = filepath.Join(dir, "accounts")
	if err := os.Mkdir(f.users, 0o700); err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(dir, "tunic.toml")
	if err := os.WriteFile(main, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := Plan{User: "ann", Password: "a long password", Stop: []string{"tor.service"}, Files: []File{
		{Path: main, Text: []byte("new"), Mode: 0o644}, {Path: filepath.Join(dir, "endpoints", "smtp.toml"), Text: []byte{}, Mode: 0o600},
		{Path: f.users + "/ann.json"}}}
	i := Installer{Journal: Journal{filepath.Join(dir, "journal")}, Services: f, Household: f, Confirm: time.Minute, Tor: time.Minute}
	return i, p, dir
}

func TestApplyAndKeep(t *testing.T) {
	f := newFake("tor.service")
	i, p, dir := newInstaller(t, f)
	f.onCall = func(call string) {
		text, _ := os.ReadFile(filepath.Join(dir, "tunic.toml"))
		if changed := string(text) == "new"; changed != (len(f.timers) > 0) {
			t.Errorf("at %q the file is changed: %v, and the timers are %v", call, changed, f.timers)
		}
	}
	if err := i.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	f.onCall = nil
	want := []string{"state tunic-lockdown.service", "state tunic.service", "state tunic-clock.timer", "state tor.service",
		"guarded", "later tunic-setup-undo-1", "add ann", "stop tor.service", "state tunic.service",
		"start tunic-lockdown.service tunic.service",
		"ready", "later tunic-setup-undo-2", "never tunic-setup-undo-1"}
	if !slices.Equal(f.calls, want) {
		t.Errorf("%q, want %q", f.calls, want)
	}
	if f.timers["tunic-setup-undo-2"] != time.Minute || len(f.timers) != 1 {
		t.Errorf("the timers: %v", f.timers)
	}
	if f.units[daemon].Enabled || !f.units["tor.service"].Enabled {
		t.Errorf("a start of the box would have what nobody has confirmed: %v", f.units)
	}
	if err := i.Apply(t.Context(), p); !errors.Is(err, ErrPending) {
		t.Errorf("a second setup: %v", err)
	}
	if err := i.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !f.units[daemon].Enabled || f.units["tor.service"].Enabled || len(f.timers) > 0 {
		t.Errorf("confirmed: %v, %v", f.units, f.timers)
	}
	if err := i.Keep(t.Context()); !errors.Is(err, ErrConfirmed) {
		t.Errorf("confirmed twice: %v", err)
	}
	if _, err := i.Undo(t.Context(), true); !errors.Is(err, ErrConfirmed) || !f.units[daemon].Active {
		t.Errorf("the timer after the confirmation: %v", err)
	}
}

// Whatever fails, and whoever is asked to take it back, all is as it was.
func TestWhateverFailsIsTakenBack(t *testing.T) {
	for _, running := range [][]string{{"tor.service"}, {"tor.service", "tunic.service", "tunic-lockdown.service"}} {
		for n := 1; ; n++ {
			f := newFake(running...)
			i, p, dir := newInstaller(t, f)
			before, units, open := files(t, dir), f.moved(), f.open
			f.failAt = n
			err := i.Apply(t.Context(), p)
			if err == nil {
				if n < 8 {
					t.Fatalf("nothing failed at call %d of %q", n, f.calls)
				}
				break
			}
			if !errors.Is(err, errFake) {
				t.Errorf("%d: %v", n, err)
			}
			if after := files(t, dir); !maps.Equal(before, after) {
				t.Errorf("after %q the files are %q", f.calls, after)
			}
			if after := f.moved(); !maps.Equal(units, after) || f.open != open || len(f.timers) > 0 {
				t.Errorf("after %q: %v, want %v; open: %v; timers: %v", f.calls, after, units, f.open, f.timers)
			}
			if _, err := i.Pending(); !errors.Is(err, ErrNoSetup) {
				t.Errorf("%d: %v", n, err)
			}
		}
	}
}

// An undo that fails goes on, is not forgotten, and is whole when it is tried again.
func TestUndoIsTriedAgain(t *testing.T) {
	for n := 1; ; n++ {
		f := newFake("tor.service")
		i, p, dir := newInstaller(t, f)
		before, units := files(t, dir), f.moved()
		if err := errors.Join(i.Apply(t.Context(), p), i.Keep(t.Context())); err != nil {
			t.Fatal(err)
		}
		f.calls, f.failAt = nil, n
		_, err := i.Undo(t.Context(), false)
		if err == nil {
			if n < 6 {
				t.Fatalf("nothing failed at call %d of %q", n, f.calls)
			}
			return
		}
		if !maps.Equal(before, files(t, dir)) {
			t.Errorf("after %q the files are %q", f.calls, files(t, dir))
		}
		if _, err := i.Undo(t.Context(), false); err != nil && !errors.Is(err, ErrNoSetup) {
			t.Fatal(err)
		}
		if !maps.Equal(units, f.moved()) || !f.open {
			t.Errorf("after %q: %v, open: %v", f.calls, f.moved(), f.open)
		}
	}
}

// A house that was closed, and its daemon off, is not opened by an undo.
func TestUndoOpensNoClosedHouse(t *testing.T) {
	f := newFake("tunic-lockdown.service")
	f.open = false
	i, p, _ := newInstaller(t, f)
	units := f.moved()
	if err := i.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Undo(t.Context(), true); err != nil || f.open || !maps.Equal(units, f.moved()) {
		t.Errorf("%v, open: %v, %v", err, f.open, f.moved())
	}
}

// What somebody has written since the setup is not lost with it.
func TestUndoKeepsLaterChanges(t *testing.T) {
	f := newFake()
	i, p, dir := newInstaller(t, f)
	if err := errors.Join(i.Apply(t.Context(), p), i.Keep(t.Context())); err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(dir, "tunic.toml")
	if err := os.WriteFile(main, []byte("newer"), 0o644); err != nil {
		t.Fatal(err)
	}
	kept, err := i.Undo(t.Context(), false)
	if err != nil || !slices.Equal(kept, []string{main + ".undone"}) {
		t.Fatalf("%q, %v", kept, err)
	}
	if text, _ := os.ReadFile(kept[0]); string(text) != "newer" {
		t.Errorf("kept: %q", text)
	}
	if text, _ := os.ReadFile(main); string(text) != "old" {
		t.Errorf("back: %q", text)
	}
}

// Control-C while Tor connects.
// A configuration that is a link to a file elsewhere is one again.
func TestUndoMakesTheLinkAgain(t *testing.T) {
	i, p, dir := newInstaller(t, newFake("tor.service"))
	main, mine := filepath.Join(dir, "tunic.toml"), filepath.Join(dir, "mine.toml")
	if err := errors.Join(os.Rename(main, mine), os.Symlink("mine.toml", main)); err != nil {
		t.Fatal(err)
	}
	if err := i.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(main); string(text) != "new" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := os.ReadFile(mine); string(text) != "old" {
		t.Errorf("the file behind the link is %q, %v", text, err)
	}
	if _, err := i.Undo(t.Context(), false); err != nil {
		t.Error(err)
	}
	to, err := os.Readlink(main)
	text, err2 := os.ReadFile(main)
	if err != nil || err2 != nil || to != "mine.toml" || string(text) != "old" {
		t.Errorf("it leads to %q, %v, with %q, %v", to, err, text, err2)
	}
}

func TestInterruptedIsTakenBack(t *testing.T) {
	f := newFake("tor.service")
	i, p, dir := newInstaller(t, f)
	before, units := files(t, dir), f.moved()
	ctx, stop := context.WithCancel(t.Context())
	f.onCall = func(call string) {
		if call == "ready" {
			stop()
			f.failAt = len(f.calls)
		}
	}
	if err := i.Apply(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if !maps.Equal(before, files(t, dir)) || !maps.Equal(units, f.moved()) || !f.open {
		t.Errorf("%q: %v", f.calls, f.moved())
	}
}
