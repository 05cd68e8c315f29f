//go:build lab

package e2e

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tunic/internal/lab"
	"tunic/internal/lab/traffic"
)

// labID is the lab's name, so that two checkouts can run at a time; each lab is
// one run's alone: see lockLab.
var labID = cmp.Or(os.Getenv("TUNIC_LAB"), "e2e")

// long has those parts run too that take minutes and rarely fail: see `make long`.
var long = os.Getenv("TUNIC_LONG") != ""

// suiteLimit bounds everything; two processors that nobody else uses need a third.
const suiteLimit = 45 * time.Minute

// TestEndToEnd brings a lab up and has all parts use it, one after the other:
// see parts_test.go.
func TestEndToEnd(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	limit := suiteLimit + soakTime()
	if os.Getenv(reportVariable) != "" {
		limit *= 2 // nobody waits for a report
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	w := newWorld(t, ctx)
	for _, p := range parts() {
		w.part(p)
	}
	if path := os.Getenv(reportVariable); path != "" {
		if err := os.WriteFile(path, []byte(w.results.page()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// reportVariable names the file that the results of classes and states are
// written to; without it there is none.
const reportVariable = "TUNIC_LEAKS_REPORT"

// world is the lab as a test sees it.
type world struct {
	*testing.T
	ctx      context.Context
	lab      *lab.Lab
	wan, lan *lab.Capture // all that leaves household A, and what its phone sends and gets

	phone, laptop, nas, gateway, internet traffic.Host

	results *results
}

// in returns the world for a subtest.
func (w *world) in(t *testing.T) *world {
	sub := *w
	sub.T = t
	return &sub
}

// run runs a subtest.
func (w *world) run(name string, test func(*world)) {
	w.Run(name, func(t *testing.T) { test(w.in(t)) })
}

func newWorld(t *testing.T, ctx context.Context) *world {
	t.Helper()
	bin := build(t, ctx)
	lockLab(t, ctx)
	begin := time.Now()
	l, err := lab.Up(ctx, lab.Options{ID: labID, BinDir: bin, Households: 3, Daemons: []string{"gateway", "friend"},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the daemon's log:\n%s", tail(l.LogFile("tunic-gateway"), 30))
		}
		if err := l.Down(context.WithoutCancel(ctx), t.Failed()); err != nil {
			t.Error(err)
		}
	})
	t.Logf("time: lab with the gateways ready: %.1f s", time.Since(begin).Seconds())
	w := &world{T: t, ctx: ctx, lab: l, results: &results{without: make(map[string]int)}}
	if w.wan, err = l.Capture("gateway"); err != nil {
		t.Fatal(err)
	}
	if w.lan, err = l.CaptureDevice(ctx, "phone"); err != nil {
		t.Fatal(err)
	}
	for name, host := range map[string]*traffic.Host{"phone": &w.phone, "laptop": &w.laptop, "nas": &w.nas,
		"gateway": &w.gateway, lab.InternetNode: &w.internet} {
		n, err := l.Plan().Node(name)
		if err != nil {
			t.Fatal(err)
		}
		host.Namespace = n.Namespace
	}
	return w
}

// build builds the two programs into a directory of the test's own.
func build(t *testing.T, ctx context.Context) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tunic-"+labID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // serve runs as another user, who cannot enter t.TempDir
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "tunic/cmd/tunic", "tunic/cmd/tunic-lab")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return dir
}

// lockLab makes sure that the lab is this test's alone, and takes down what a
// run that was killed has left: its lock went with it.
func lockLab(t *testing.T, ctx context.Context) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "tunic-"+labID+".lock"), os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatalf("another run of these tests has the lab %q: %v", labID, err)
	}
	if err := lab.Down(ctx, "", labID, false); err != nil && !errors.Is(err, lab.ErrNotFound) {
		t.Fatal(err)
	}
}
