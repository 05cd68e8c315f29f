//go:build machines

package machines

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"tunic/gateway/api"
	"tunic/internal/lab"
	"tunic/internal/lab/traffic"
)

// labID is the lab's name; the tests of package e2e have another.
var labID = cmp.Or(os.Getenv("TUNIC_LAB"), "machines")

// The node in whose place the machines are, and a friend's.
const (
	box    = "gateway"
	friend = "friend"
)

// world is the lab with one machine, as a scenario sees it.
type world struct {
	*testing.T
	ctx      context.Context
	lab      *lab.Lab
	checkout string

	release Release
	m       *Machine
	router  *Router // instead of m, where the machine is one
	awake   *Awake  // where m runs in an emulator
	tempo   tempo
	wan     *lab.Capture
	lan     *lab.Capture // of the phone's cable
	report  *report
}

func (w *world) in(t *testing.T) *world {
	sub := *w
	sub.T = t
	return &sub
}

// packageDir has this machine's package, below the checkout.
const packageDir = "bin/package"

// newWorld brings the lab up with the friend's box, and no machine of one of the
// releases yet.
func newWorld(t *testing.T, releases []Release, at tempo) *world {
	t.Helper()
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	t.Cleanup(stop)
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// The README's steps install a package; it has to be of this source.
	if out, err := exec.CommandContext(ctx, "make", "-C", checkout, "build", "dist", "DIST="+packageDir, "ARCHS="+runtime.GOARCH).
		CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	unlock, err := lock(filepath.Join(os.TempDir(), "tunic-"+labID+".lock")) // the lab is one run's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unlock)
	if err := lab.Down(ctx, "", labID, false); err != nil && !errors.Is(err, lab.ErrNotFound) {
		t.Fatal(err)
	}
	makeRoots(t, ctx, releases)
	begin := time.Now()
	l, err := lab.Up(ctx, lab.Options{ID: labID, BinDir: filepath.Join(checkout, "bin"), Daemons: []string{friend},
		Machines: []string{box}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(context.WithoutCancel(ctx), t.Failed()); err != nil {
			t.Error(err)
		}
	})
	t.Logf("time: the lab with the friend's box: %.1f s", time.Since(begin).Seconds())
	w := &world{T: t, ctx: ctx, lab: l, checkout: checkout, tempo: at, report: &report{}}
	if w.wan, err = l.Capture(box); err != nil {
		t.Fatal(err)
	}
	if w.lan, err = l.CaptureDevice(ctx, "phone"); err != nil {
		t.Fatal(err)
	}
	w.strayPackets()
	return w
}

// makeRoots makes the roots that are missing, all at a time.
func makeRoots(t *testing.T, ctx context.Context, releases []Release) {
	t.Helper()
	begin := time.Now()
	var group errgroup.Group
	for _, r := range releases {
		group.Go(func() error {
			_, err := r.Root(ctx, func(text string) { t.Log(text) })
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("time: the roots: %.1f s", time.Since(begin).Seconds())
}

// newMachine makes a machine of a release, which is off.
func (w *world) newMachine(r Release) {
	w.Helper()
	root, err := r.Root(w.ctx, func(text string) { w.Log(text) })
	if err != nil {
		w.Fatal(err)
	}
	w.release = r
	if err := w.lab.SetBeside(w.ctx, box, false); err != nil { // as the machine before it may be
		w.Fatal(err)
	}
	if w.m, err = New(w.ctx, w.lab, box, root, w.checkout); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if w.Failed() {
			w.Logf("the end of the journal:\n%s", w.exec(box, "journalctl", "-b", "-u", "tunic*", "--no-pager", "-n", "60").Stdout)
		}
		if _, err := w.m.Leader(); err == nil {
			if err := w.m.Cut(context.WithoutCancel(w.ctx)); err != nil {
				w.Error(err)
			}
		}
	})
}

// run runs a command on a node, or on the machine.
func (w *world) exec(node string, args ...string) lab.Result {
	w.Helper()
	run := w.lab.Exec
	if node == box && w.awake != nil {
		run = func(ctx context.Context, _ string, args ...string) (lab.Result, error) {
			return w.awake.Exec(ctx, args...)
		}
	}
	if node == box && w.router != nil {
		args = slices.Concat(routerBounds, args)
	}
	r, err := run(w.ctx, node, args...)
	if err != nil {
		return lab.Result{Code: -1, Stderr: err.Error()}
	}
	return r
}

// must runs a command that has to succeed and returns what it printed.
func (w *world) must(node string, args ...string) string {
	w.Helper()
	r := w.exec(node, args...)
	if r.Code != 0 {
		w.Fatalf("%s on %s ended with status %d:\n%s%s", strings.Join(args, " "), node, r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}

// eventually repeats try until it is true, and returns how long that took.
func (w *world) eventually(what string, limit time.Duration, try func() bool) time.Duration {
	w.Helper()
	begin := time.Now()
	for !try() {
		if took := time.Since(begin); took > limit || w.ctx.Err() != nil {
			w.Fatalf("%s: not after %v\n%s", what, took.Round(time.Millisecond), w.exec(box, "tunic", "status").Stdout)
		}
		time.Sleep(w.tempo.look)
	}
	return time.Since(begin)
}

func (w *world) write(path, text string) {
	w.Helper()
	if err := w.m.WriteFile(path, text); err != nil {
		w.Fatal(err)
	}
}

// now is the time as captures tell it.
func now() float64 { return float64(time.Now().UnixMicro()) / 1e6 }

func (w *world) boot() {
	w.Helper()
	w.Logf("%.3f: the machine is switched on", now())
	if err := w.m.Boot(w.ctx); err != nil {
		w.Fatal(err)
	}
}

func (w *world) powerOff() {
	w.Helper()
	if err := w.m.PowerOff(w.ctx); err != nil {
		w.Fatal(err)
	}
	w.Logf("%.3f: the machine is off", now())
}

func (w *world) cut() {
	w.Helper()
	if err := w.m.Cut(w.ctx); err != nil {
		w.Fatal(err)
	}
}

// status is empty while the daemon does not answer.
func (w *world) status() (s api.Status) {
	w.Helper()
	_ = json.Unmarshal([]byte(w.exec(box, "tunic", "status", "--json").Stdout), &s)
	return s
}

// The web server of the lab's internet tells who asks.
const whoAmI = "http://203.0.113.80/ip"

// protectedLimit is how long a machine may take from its start until a device
// reaches the web through Tor.
const protectedLimit = 90 * time.Second

// protected waits until a device reaches the web, through an exit.
func (w *world) protected() time.Duration {
	w.Helper()
	return w.protectedIn(protectedLimit)
}

func (w *world) protectedIn(limit time.Duration) time.Duration {
	w.Helper()
	defer func() {
		if w.Failed() {
			w.Logf("tor says:\n%s\n%s", w.torSays("entry-guards", "circuit-status", "stream-status", "orconn-status"),
				w.exec(box, "journalctl", "-b", "-u", "tunic", "--no-pager", "-n", "40").Stdout)
		}
	}()
	return w.eventually("the web is reached through Tor", limit, func() bool {
		r := w.exec("phone", "curl", "-sS", "-m", "15", whoAmI)
		seen := strings.TrimSpace(r.Stdout)
		if r.Code == 0 && !isExit(seen) {
			w.Fatalf("the web sees %q, which is no exit", seen)
		}
		return r.Code == 0
	})
}

// torSays asks the box's tor by its control socket (control-spec, GETINFO).
func (w *world) torSays(keys ...string) string {
	w.Helper()
	const ask = `d=/run/tunic/tor
{ printf 'AUTHENTICATE %s\r\n' "$(od -An -vtx1 $d/control.cookie | tr -d ' \n')"
printf 'GETINFO %s\r\n' "$@"
printf 'QUIT\r\n'; } | nc -U -w 3 $d/control.sock`
	return w.exec(box, append([]string{"sh", "-c", ask, "ask"}, keys...)...).Stdout
}

// closed checks that a device reaches nothing.
func (w *world) closed() {
	w.Helper()
	if r := w.exec("phone", "curl", "-sS", "-m", "5", whoAmI); r.Code == 0 {
		w.Errorf("the web is reached, as %q", r.Stdout)
	}
}

func isExit(addr string) bool {
	return slices.ContainsFunc(lab.TorRelays(), func(r lab.Relay) bool {
		return !r.Authority && (addr == r.Addr4.String() || addr == r.Addr6.String())
	})
}

// tempo is the pause between two rounds of packets that must not leave, which the
// phone sends all the time, and between two looks at what is waited for.
type tempo struct{ round, look time.Duration }

// An emulated machine has no time for anything else where it is sent two hundred
// packets a second.
var (
	usual = tempo{40 * time.Millisecond, 100 * time.Millisecond}
	slow  = tempo{time.Second, time.Second}
)

// strayPackets starts the phone.
func (w *world) strayPackets() {
	w.Helper()
	n, err := w.lab.Plan().Node("phone")
	if err != nil {
		w.Fatal(err)
	}
	host, packets := traffic.Host{Namespace: n.Namespace}, stray()
	ctx, stop := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(w.tempo.round); ctx.Err() == nil; <-tick.C {
			_ = host.Send(packets...) // nobody takes them while the machine is off
		}
	}()
	w.Cleanup(func() { stop(); <-done })
}

// stray is one packet of each kind that has no way out, of both families.
func stray() [][]byte {
	var packets [][]byte
	for from, to := range map[string]string{"192.168.77.10": "8.8.8.8", "2001:db8:77::10": "2001:4860:4860::8888"} {
		source, target := netip.MustParseAddr(from), netip.MustParseAddr(to)
		packets = append(packets,
			traffic.Datagram(netip.AddrPortFrom(source, 40000), netip.AddrPortFrom(target, 443), []byte("hello, here I am")).Bytes(),
			traffic.Datagram(netip.AddrPortFrom(source, 40001), netip.AddrPortFrom(target, 123), make([]byte, 48)).Bytes(),
			traffic.Segment(netip.AddrPortFrom(source, 40002), netip.AddrPortFrom(target, 853), traffic.ACK).Bytes(),
			traffic.Echo(source, target).Bytes())
	}
	return packets
}

func (w *world) shell(script string) string {
	w.Helper()
	return w.must(box, "sh", "-c", script)
}
