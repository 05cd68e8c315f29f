package managed

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/supervise"
)

func TestServerRuns(t *testing.T) {
	h := newHouse(t)
	if err := os.MkdirAll(h.spec.Work, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.spec.Stale[0], []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.Apply([]Spec{h.spec})
	s := h.ready()
	if s.Version != "2.3.19" || s.PID == 0 || s.Err != nil || s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
	if got := h.says(); got != "hi meone" {
		t.Errorf("it says %q", got)
	}
	for path, mode := range map[string]fs.FileMode{h.spec.Dir: 0o750, h.spec.Work: 0o755, h.spec.Files[0].Path: 0o640} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if _, err := os.Stat(h.spec.Stale[0]); err == nil {
		t.Error("what the process before left is still there")
	}
	said := func(Status) bool { // what is answered may be read before what is printed
		tail, _ := h.Tail("fake")
		return slices.Contains(tail, "Login: bob from 192.0.2.1") && tail[0] == "confined"
	}
	h.wait("has said something", said)
	h.Apply([]Spec{h.spec.clone()})
	if again := h.ready(); again.PID != s.PID {
		t.Error("the same Spec starts it again")
	}
	h.Apply(nil)
	if len(h.Status()) != 0 {
		t.Error("nobody wants it, and it has a status")
	}
	h.Apply([]Spec{h.spec})
	if again := h.ready(); again.PID == s.PID {
		t.Error("it was not ended")
	}
	h.Stop()
	if _, err := os.FindProcess(s.PID); err == nil && syscall.Kill(s.PID, 0) == nil {
		t.Error("it lives on")
	}
}

func TestServerComesBack(t *testing.T) {
	h := newHouse(t)
	h.Apply([]Spec{h.spec})
	for i := range 3 {
		s := h.ready()
		if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if s := h.wait("is another process", func(n Status) bool { return n.PID != s.PID && n.Ready }); s.Restarts != i+1 {
			t.Errorf("%d restarts after %d", s.Restarts, i+1)
		}
	}
	// What it printed is in no log: neither its lines nor how it ended.
	h.mu.Lock()
	defer h.mu.Unlock()
	if log := h.log.String(); strings.Contains(log, "bob") || !strings.Contains(log, "fake ended (signal: killed)") {
		t.Errorf("the log is\n%s", log)
	}
}

func TestChanges(t *testing.T) {
	h := newHouse(t)
	h.Apply([]Spec{h.spec})
	first := h.ready()
	h.change("two")
	for limit := time.Now().Add(patience); h.says() != "hi metwo"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("after a reload it says %q", h.says())
		}
	}
	h.change("", "", "users")
	if text, err := os.ReadFile(h.spec.Files[2].Path); err != nil || string(text) != "users" {
		t.Errorf("%q, %v", text, err)
	}
	if s := h.ready(); s.PID != first.PID {
		t.Error("files that it reads by itself start it again")
	}
	h.change("", "other")
	h.wait("is another process", func(s Status) bool { return s.PID != first.PID && s.Ready })
	second := h.ready()
	h.spec.Stale = nil
	h.change()
	h.wait("is a third process", func(s Status) bool { return s.PID != second.PID && s.Ready })
}

// What was begun by an account that is gone, or has another password, ends with the process; one more account
// changes nothing for the others.
func TestLoginsThatAreGone(t *testing.T) {
	h := newHouse(t)
	h.spec.Files[2].Text, h.spec.Files[2].Logins = "ann:x\nbob:y\n", true
	h.Apply([]Spec{h.spec.clone()})
	first := h.ready()
	h.change("", "", "ann:x\nbob:y\ncarl:z\n")
	if s := h.ready(); s.PID != first.PID {
		t.Error("one more account ends what others have begun")
	}
	for _, text := range []string{"ann:x\nbob:y\n", "ann:x\nbob:other\n"} {
		before := h.ready()
		h.change("", "", text)
		h.wait("is another process", func(s Status) bool { return s.PID != before.PID && s.Ready })
	}
}

// A server that is told of new files before it catches signals would end.
func TestYoungServerIsToldLater(t *testing.T) {
	h := newHouse(t)
	h.Apply([]Spec{h.spec})
	h.wait("has a process", func(s Status) bool { return s.PID != 0 })
	first := h.Status()[0]
	h.change("two")
	if s := h.ready(); s.PID != first.PID || s.Restarts != 0 {
		t.Errorf("it was %+v and is %+v", first, s)
	}
	for limit := time.Now().Add(patience); h.says() != "hi metwo"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it says %q", h.says())
		}
	}
}

// A server that runs but does not answer is started again.
func TestSilence(t *testing.T) {
	h := newHouse(t)
	h.times.probe = time.Second
	h.Apply([]Spec{h.spec})
	s := h.ready()
	if err := syscall.Kill(s.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s = h.wait("is another process", func(n Status) bool { return n.PID != s.PID && n.Ready })
	if s.Restarts == 0 {
		t.Errorf("%+v", s)
	}
}

func TestMissingProgram(t *testing.T) {
	h := newHouse(t)
	program := filepath.Join(t.TempDir(), "late")
	h.spec.Program = program
	h.Apply([]Spec{h.spec})
	s := h.wait("is missed", func(s Status) bool { return s.Err != nil })
	if missing, ok := errors.AsType[*MissingError](s.Err); !ok || !strings.Contains(missing.Error(), "install the package fake-server") ||
		s.PID != 0 {
		t.Errorf("%+v", s)
	}
	// It is found when it has been installed, without a word to anybody.
	if err := os.Symlink(os.Args[0], program); err != nil {
		t.Fatal(err)
	}
	h.ready()
}

func TestVersions(t *testing.T) {
	for found, ok := range map[string]bool{"2.2.99": false, "2.3": true, "2.3.19.1": true, "2.4.0": true, "2.10": true,
		"27-IDENT+IPv6": true, "none": false, "d2d 2.3.1": true} {
		h := newHouse(t)
		h.spec.Version.Args = []string{"version", found}
		_, _, err := h.spec.find(t.Context())
		if (err == nil) != ok {
			t.Errorf("version %s: %v", found, err)
		}
		if wrong, is := errors.AsType[*VersionError](err); !ok && found != "none" && (!is || wrong.Found != found) {
			t.Errorf("version %s: %v", found, err)
		}
	}
}

// A version that nobody has tried is run with the newest dialect, and said so.
func TestDialects(t *testing.T) {
	f := File{Text: "old", Newer: []Dialect{{"2.4", "newer"}, {"3", "newest"}}}
	for version, want := range map[string]string{"2.3.19": "old", "2.4": "newer", "2.4.1": "newer", "2.10": "newer", "3": "newest",
		"4.1": "newest"} {
		if got := f.text(version); got != want {
			t.Errorf("version %s reads %q, want %q", version, got, want)
		}
	}
	h := newHouse(t)
	h.spec.Files[0].Newer = []Dialect{{"2.4", "two"}}
	for version, untried := range map[string]bool{"2.3.19": false, "2.4": true} {
		h.spec.Version.Args = []string{"version", version}
		h.Apply([]Spec{h.spec.clone()})
		want := map[bool]string{false: "hi meone", true: "hi metwo"}[untried]
		if s := h.wait("is "+version, func(s Status) bool { return s.Ready && s.Version == version }); s.Untried != untried ||
			h.says() != want {
			t.Errorf("%s says %q: %+v", version, h.says(), s)
		}
	}
}

// A server that always ends at once is not started for ever, and is started at
// once when its files have changed.
func TestEarlyEnds(t *testing.T) {
	h := newHouse(t)
	args := h.spec.Args
	h.spec.Args = []string{"serve", "127.0.0.1:nowhere", "/dev/null"}
	h.Apply([]Spec{h.spec})
	early := func(s Status) bool { _, ok := errors.AsType[*EarlyError](s.Err); return ok }
	s := h.wait("rests", early)
	if !strings.Contains(s.Err.Error(), "tunic logs fake") || s.Restarts != maxEarlyEnds {
		t.Errorf("%+v", s)
	}
	time.Sleep(20 * h.times.look)
	if again := h.Status()[0]; again.Restarts != s.Restarts {
		t.Errorf("it was started %d times more", again.Restarts-s.Restarts)
	}
	h.change("two")
	h.wait("is tried again", func(again Status) bool { return again.Restarts > s.Restarts })
	h.spec.Args = args
	h.Apply([]Spec{h.spec.clone()})
	h.ready()
}

// A program that is replaced while the last of many starts is under way is started at once.
func TestReplacedDuringTheLastStart(t *testing.T) {
	h := newHouse(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	script := fmt.Sprintf("#!/bin/sh\n[ $1 = version ] && exec echo v2.3.19\necho >> %[1]s/starts\n"+
		"[ $(wc -l < %[1]s/starts) = %[2]d ] && ln -s %[3]s %[1]s/new && mv %[1]s/new %[1]s/program\nexit 1\n",
		dir, maxEarlyEnds, os.Args[0])
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	h.spec.Program = program
	h.Apply([]Spec{h.spec})
	h.ready()
}

// A program that is too old is not asked again before it was replaced.
func TestTooOld(t *testing.T) {
	h := newHouse(t)
	asked := filepath.Join(t.TempDir(), "asked")
	program := filepath.Join(t.TempDir(), "old")
	script := "#!/bin/sh\necho >> " + asked + "\necho 2.2\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	h.spec.Program = program
	h.Apply([]Spec{h.spec})
	h.wait("is too old", func(s Status) bool { _, ok := errors.AsType[*VersionError](s.Err); return ok })
	time.Sleep(20 * h.times.look)
	if text, err := os.ReadFile(asked); err != nil || string(text) != "\n" {
		t.Errorf("it was asked %d times, %v", len(text), err)
	}
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.Args[0], program); err != nil {
		t.Fatal(err)
	}
	h.ready()
}

// A server that a killed daemon left is ended before ours starts.
func TestLeftover(t *testing.T) {
	h := newHouse(t)
	if err := h.spec.prepare("2.3"); err != nil {
		t.Fatal(err)
	}
	p, err := supervise.Start(supervise.Command{Name: "left", Path: os.Args[0], Args: h.spec.Args}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Record(filepath.Join(h.spec.Dir, "pid")); err != nil {
		t.Fatal(err)
	}
	h.Apply([]Spec{h.spec})
	if s := h.ready(); s.PID == p.PID() {
		t.Error("it is the same process")
	}
	select {
	case <-p.Done():
	case <-time.After(patience):
		t.Error("the one before lives")
	}
}

// Servers end in the reverse order of their start.
func TestStopOrder(t *testing.T) {
	h, other := newHouse(t), newHouse(t)
	other.spec.Name = "second"
	h.Apply([]Spec{h.spec, other.spec})
	for limit := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		list := h.Status()
		if len(list) == 2 && list[0].Ready && list[1].Ready {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("%+v", list)
		}
	}
	h.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	log := h.log.String()
	if a, b := strings.Index(log, `"process ended" process=second`), strings.Index(log, `"process ended" process=fake`); a < 0 || b < a {
		t.Errorf("the order is not the reverse one:\n%s", log)
	}
}

// Dovecot looks at whole seconds and the size only: a file that changes twice in
// one second must look changed.
func TestReplacedFilesLookNewer(t *testing.T) {
	h := newHouse(t)
	path := filepath.Join(t.TempDir(), "passwd")
	var last int64
	for _, text := range []string{"one", "two", "six"} {
		if err := h.spec.write(path, text); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.ModTime().Unix() <= last {
			t.Errorf("%s: %v, %v, after %d", text, info.ModTime(), err, last)
		}
		last = info.ModTime().Unix()
	}
}

// TestReplacedAtTheTurnOfASecond: what was written before the second was over has the time of
// before, also if it takes its place after it.
func TestReplacedAtTheTurnOfASecond(t *testing.T) {
	dir := t.TempDir()
	old, written := filepath.Join(dir, "passwd"), filepath.Join(dir, ".new")
	second := time.Now().Truncate(time.Second).Add(-time.Minute)
	for path, at := range map[string]time.Time{old: second, written: second.Add(999 * time.Millisecond)} {
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := later(written, old); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(written); err != nil || !info.ModTime().Equal(second.Add(time.Second)) {
		t.Errorf("it is of %v, %v", info.ModTime(), err)
	}
}
