package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/feature"
	"tunic/gateway/setup"
)

// quiet is a system on which everything works, and nothing happens.
type quiet struct {
	calls []string
	ready error
}

func (q *quiet) call(words ...string) error {
	q.calls = append(q.calls, strings.Join(words, " "))
	return nil
}

func (q *quiet) State(_ context.Context, unit string) (setup.Unit, error) {
	return setup.Unit{Name: unit}, nil
}
func (q *quiet) Start(_ context.Context, u ...string) error {
	return q.call(append([]string{"start"}, u...)...)
}
func (q *quiet) Stop(_ context.Context, u ...string) error {
	return q.call(append([]string{"stop"}, u...)...)
}
func (q *quiet) Enable(_ context.Context, u ...string) error {
	return q.call(append([]string{"enable"}, u...)...)
}
func (q *quiet) Disable(_ context.Context, u ...string) error {
	return q.call(append([]string{"disable"}, u...)...)
}
func (q *quiet) Later(_ context.Context, t string, _ time.Duration) error { return q.call("later", t) }
func (q *quiet) Never(_ context.Context, t ...string) error {
	return q.call(append([]string{"never"}, t...)...)
}
func (q *quiet) Guarded(context.Context) (bool, error)               { return false, nil }
func (q *quiet) Reload(context.Context) error                        { return q.call("reload") }
func (q *quiet) Ready(context.Context) error                         { return errors.Join(q.call("ready"), q.ready) }
func (q *quiet) Open(context.Context) error                          { return q.call("open") }
func (q *quiet) AddUser(_ context.Context, name, _ string) error     { return q.call("add", name) }
func (q *quiet) Missing(context.Context, []string) ([]string, error) { return []string{"tor"}, nil }
func (q *quiet) Install(context.Context, []string) error             { return q.call("install") }

// newQuietSetup is a setup on a root of its own, with what is typed at it.
func newQuietSetup(t *testing.T, in io.Reader) (*setupRun, *quiet, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	a := &app{in: in, out: &out, err: &out, env: func(string) string { return "" }, root: t.TempDir()}
	s, q := a.newSetup(time.Minute), new(quiet)
	s.packages, s.installer.Services, s.installer.Household = q, q, q
	s.plan = func(context.Context, setup.Box, setup.Plan) ([]string, error) { return []string{"+ a rule"}, nil }
	s.look = func(context.Context) (setup.Box, error) {
		return setup.Box{DHCP: true, Links: []feature.Link{{Name: "wan0", Up: true, Carrier: true, Default: true},
			{Name: "lan0", Up: true, Carrier: true, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24")}}}}, nil
	}
	return s, q, &out
}

func TestSetupRun(t *testing.T) {
	const asked = "\n\nyes\n" // household, mail and chat, the last one
	cases := map[string]struct {
		typed  string
		change func(*setupRun, *quiet)
		code   int
		kept   bool
		calls  bool   // something was changed for a while
		says   string // in the error or its hint
	}{
		"confirmed":         {typed: asked + "yes\n", kept: true, calls: true},
		"not confirmed":     {typed: asked + "no\n", code: exitFailed, calls: true, says: "taken back"},
		"the input ends":    {typed: asked, code: exitFailed, calls: true, says: "taken back"},
		"it ends before":    {typed: "\n\n", code: exitFailed, says: nothingChanged},
		"no last yes":       {typed: "\n\nno\n", code: exitFailed, says: nothingChanged},
		"an empty last yes": {typed: "\n\n\n", code: exitFailed, says: nothingChanged},
		"a plan that fails": {typed: asked, code: exitFailed, says: nothingChanged, change: func(s *setupRun, _ *quiet) {
			s.plan = func(context.Context, setup.Box, setup.Plan) ([]string, error) { return nil, errors.New("a mistake") }
		}},
		"Tor does not connect": {typed: asked + "yes\n", code: exitNotReady, calls: true, says: "taken back", change: func(_ *setupRun,
			q *quiet) {
			q.ready = &failure{exitNotReady, errors.New("not ready"), ""}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, q, out := newQuietSetup(t, strings.NewReader(c.typed))
			if c.change != nil {
				c.change(s, q)
			}
			err := s.run(t.Context())
			code, hint := exitDone, ""
			if err != nil {
				f := explain(err)
				code, hint = f.code, f.Error()+" "+f.hint
			}
			if code != c.code || !strings.Contains(hint, c.says) {
				t.Errorf("%d, %q\n%s", code, hint, out)
			}
			_, missing := os.Stat(s.paths().Main())
			if kept := missing == nil; kept != c.kept || slices.Contains(q.calls, "enable tunic-lockdown.service tunic.service") != c.kept {
				t.Errorf("kept: %v, %q", kept, q.calls)
			}
			if c.calls != (len(q.calls) > 0) || c.calls && !c.kept && !slices.Contains(q.calls, "open") {
				t.Errorf("%q", q.calls)
			}
		})
	}
}

// asking is a terminal at which nobody types after the questions.
func asking(t *testing.T) io.Reader {
	in, typed := io.Pipe()
	go typed.Write([]byte("\n\nyes\n"))
	t.Cleanup(func() { typed.Close() })
	return in
}

// Nobody is at the keys: somebody confirms it elsewhere, the timer has taken it back,
// the time is over, or Control-C.
func TestSetupIsDecidedElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		decide func(*setupRun, context.CancelFunc)
		kept   bool
	}{
		"confirmed":  {func(s *setupRun, _ context.CancelFunc) { s.keep(context.Background()) }, true},
		"taken back": {func(s *setupRun, _ context.CancelFunc) { s.undo(context.Background(), true) }, false},
		"Control-C":  {func(_ *setupRun, stop context.CancelFunc) { stop() }, false},
		"too late":   {func(*setupRun, context.CancelFunc) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _ := newQuietSetup(t, asking(t))
			s.installer.Confirm = 30 * time.Second
			if name == "too late" {
				s.installer.Confirm = 500 * time.Millisecond
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- s.run(ctx) }()
			other := (&app{out: io.Discard, err: io.Discard, env: s.env, root: s.root}).newSetup(time.Minute)
			other.installer.Services, other.installer.Household = new(quiet), new(quiet)
			if name != "too late" { // which may be before anybody looks
				waitFor(t, func() bool { _, err := other.installer.Pending(); return err == nil && isProtected(s) })
			}
			c.decide(other, stop)
			select {
			case err := <-ended:
				if (err == nil) != c.kept || err != nil && !strings.Contains(explain(err).hint, "as it was before") {
					t.Errorf("%v", err)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("it waits on")
			}
			if _, err := os.Stat(filepath.Join(s.root, "etc/tunic/tunic.toml")); (err == nil) != c.kept {
				t.Errorf("the file: %v", err)
			}
		})
	}
}

// isProtected reports whether a setup has come to its second timer.
func isProtected(s *setupRun) bool {
	r, err := s.installer.Journal.Load()
	return err == nil && len(r.Timers) == 2
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for begin := time.Now(); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			t.Fatal("it did not happen")
		}
	}
}

// What /proc/net/tcp and /proc/net/udp look like.
func TestListening(t *testing.T) {
	const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100A8C0:01BB 0200A8C0:8000 01 00000000:00000000 00:00000000 00000000     0        0 3
   3: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4
   4: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 5
`
	for port, want := range map[uint16]bool{80: true, 443: false, 25: false, 22: true, 81: false} {
		if got := hasPort(tcp, port); got != want {
			t.Errorf("port %d: %v", port, got)
		}
	}
	if hasPort(strings.Split(tcp, "   1:")[0], 22) {
		t.Error("a server on loopback alone counts")
	}
	if !edited("# x\n  HiddenServiceDir /x\n") || edited("## x\n\n #SocksPort 9050\n") {
		t.Error("an edited torrc")
	}
}

// Before the last yes nothing is written, nor is it through a link.
func TestStageWritesThroughNoLink(t *testing.T) {
	a := &app{root: t.TempDir()}
	paths := a.paths()
	elsewhere := filepath.Join(a.root, "elsewhere")
	err := errors.Join(os.MkdirAll(filepath.Join(elsewhere, "endpoints"), 0o755), os.MkdirAll(paths.Etc, 0o755),
		os.WriteFile(filepath.Join(elsewhere, "mine.toml"), []byte("mine"), 0o644),
		os.WriteFile(filepath.Join(elsewhere, "endpoints/irc.toml"), []byte("irc"), 0o644),
		os.Symlink(filepath.Join(elsewhere, "mine.toml"), paths.Main()),
		os.Symlink(filepath.Join(elsewhere, "endpoints"), paths.EndpointDir()),
		os.Symlink("nowhere", filepath.Join(paths.Etc, "old.toml")), unix.Mkfifo(filepath.Join(paths.Etc, "pipe"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	main := setup.File{Path: paths.Main(), Text: []byte("other")}
	dir, err := stage(paths, []setup.File{main, {Path: filepath.Join(paths.EndpointDir(), "smtp.toml"), Text: []byte{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if text, err := os.ReadFile(filepath.Join(elsewhere, "mine.toml")); string(text) != "mine" {
		t.Errorf("the file behind the link is %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "endpoints/smtp.toml")); err == nil {
		t.Error("a file was made behind a link")
	}
	for name, want := range map[string]string{"tunic.toml": "other", "endpoints/irc.toml": "irc", "endpoints/smtp.toml": ""} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
	if err := os.Symlink(".", filepath.Join(paths.Etc, "circle")); err != nil {
		t.Fatal(err)
	}
	if dir, err := stage(paths, nil); err == nil {
		os.RemoveAll(dir)
		t.Error("a circle ended")
	}
}

// Control-C has apt end what it is at, and what it has installed does not start with
// the box.
func TestInstallIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"apt-get": `trap 'sleep 0.3; echo ended whole >>"$0.log"; exit 100' INT
echo begins >>"$0.log"; [ "$1" = update ] || while :; do sleep 0.05; done`,
		"systemctl": `[ "$1" != show ] || { echo loaded; exit; }; echo "$@" >>"$0.log"`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	log := func(name string) string { text, _ := os.ReadFile(filepath.Join(dir, name+".log")); return string(text) }
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- get(ctx, io.Discard, []string{"ngircd", "dovecot-imapd"}) }()
	waitFor(t, func() bool { return strings.Count(log("apt-get"), "begins") == 2 })
	stop()
	if err := <-ended; err == nil || !strings.Contains(log("apt-get"), "ended whole") {
		t.Errorf("%v: %s", err, log("apt-get"))
	}
	if want := "disable ngircd.service dovecot.service"; !strings.Contains(log("systemctl"), want) {
		t.Errorf("%q, want %s", log("systemctl"), want)
	}
}

// The units, and the timer that takes a setup back, know nothing of --root.
func TestSetupHasNoRoot(t *testing.T) {
	for _, more := range []string{"--undo", "--confirm", "--access-point", "--confirm-within=5m"} {
		var out bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &out, env: func(string) string { return "" }}
		code := execute(t.Context(), a, []string{"--root", t.TempDir(), "setup", more})
		if code != exitUsage || !strings.Contains(out.String(), "no --root") {
			t.Errorf("%s: %d, %s", more, code, out.String())
		}
	}
}

// What a power cut has left of an earlier installation goes; what is another's stays.
func TestForbidStarts(t *testing.T) {
	for before, stays := range map[string]bool{"": false, nothingStarts: false, "#!/bin/sh\nexit 0\n": true} {
		path := filepath.Join(t.TempDir(), "policy-rc.d")
		if before != "" {
			if err := os.WriteFile(path, []byte(before), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		release, err := forbidStarts(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%q: %v, %v", before, info, err)
		}
		release()
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%q: afterwards %v", before, err)
		}
	}
}
