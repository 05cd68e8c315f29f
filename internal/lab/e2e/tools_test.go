//go:build lab

package e2e

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/internal/lab"
	"tunic/internal/lab/house"
)

// exec runs a command on a node.
func (w *world) exec(node string, args ...string) lab.Result {
	w.Helper()
	r, err := w.lab.Exec(w.ctx, node, args...)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// must runs a command that has to succeed and returns what it printed.
func (w *world) must(node string, args ...string) string {
	w.Helper()
	out, err := house.Run(w.ctx, w.lab, node, args...)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

// curl fetches with a time limit in seconds and returns the body.
func (w *world) curl(node string, limit int, args ...string) (string, bool) {
	w.Helper()
	r := w.exec(node, append([]string{"curl", "-sS", "-g", "-m", strconv.Itoa(limit)}, args...)...)
	return strings.TrimSpace(r.Stdout), r.Code == 0
}

// fetched fetches until the page has the text that is wanted, and returns how
// long that took.
func (w *world) fetched(node, want string, limit time.Duration, args ...string) time.Duration {
	w.Helper()
	args = append([]string{"curl", "-sS", "-g", "-m", "20"}, args...)
	for begin := time.Now(); ; w.pause(200 * time.Millisecond) {
		r := w.exec(node, args...)
		took := time.Since(begin)
		if r.Code == 0 && strings.Contains(r.Stdout, want) {
			return took
		}
		if took > limit {
			for _, gateway := range []string{"gateway", "friend"} {
				w.Logf("%s says\n%s\n%s", gateway, w.exec(gateway, "tunic", "status").Stdout, w.exec(gateway, "tunic", "onions").Stdout)
			}
			w.Fatalf("%s on %s: not after %v; the last time: status %d, %q, %s",
				strings.Join(args, " "), node, took, r.Code, r.Stdout, r.Stderr)
		}
	}
}

// eventually repeats try until it is true, and returns how long that took. A
// test that waits in vain ends.
func (w *world) eventually(what string, limit time.Duration, try func() bool) time.Duration {
	w.Helper()
	begin := time.Now()
	for !try() {
		if took := time.Since(begin); took > limit {
			w.Fatalf("%s: not after %v", what, took.Round(time.Millisecond))
		}
		w.pause(50 * time.Millisecond)
	}
	return time.Since(begin)
}

func (w *world) pause(d time.Duration) {
	w.Helper()
	select {
	case <-w.ctx.Done():
		w.Fatal(w.ctx.Err())
	case <-time.After(d):
	}
}

// timed logs a duration that readers of the results look for.
func (w *world) timed(what string, d time.Duration) {
	w.Helper()
	w.Logf("time: %s: %.2f s", what, d.Seconds())
}

func (w *world) status() api.Status {
	w.Helper()
	return w.statusOf("gateway")
}

// statusOf is status for any box.
func (w *world) statusOf(gateway string) api.Status {
	w.Helper()
	s, err := house.Status(w.ctx, w.lab, gateway)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// ready waits until all that is configured works on the gateway.
func (w *world) ready() {
	w.Helper()
	if err := w.lab.WaitReady(w.ctx, "gateway", nil); err != nil {
		w.Fatal(err)
	}
}

func (w *world) paths() config.Paths { return config.NewPaths(w.lab.Root("gateway")) }

// write makes a file of the gateway's configuration. Nobody reads it before a
// reload.
func (w *world) write(path, text string) {
	w.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

func (w *world) remove(path string) {
	w.Helper()
	if err := os.Remove(path); err != nil {
		w.Fatal(err)
	}
}

func (w *world) device(name string) string { return filepath.Join(w.paths().DeviceDir(), name+".toml") }

// policy gives a device a policy of its own, until noPolicy.
func (w *world) policy(node string, p config.Policy) {
	w.Helper()
	n, err := w.lab.Plan().Node(node)
	if err != nil {
		w.Fatal(err)
	}
	w.write(w.device(node), deviceText(n.Uplink.MAC, p))
	w.must("gateway", "tunic", "reload")
}

func deviceText(mac string, p config.Policy) string {
	return "mac = \"" + mac + "\"\npolicy = \"" + string(p) + "\"\n"
}

// noPolicy takes it away again.
func (w *world) noPolicy(node string) {
	w.Helper()
	w.remove(w.device(node))
	w.must("gateway", "tunic", "reload")
}

// pids finds the gateway's processes whose command line contains all words.
func (w *world) pids(words ...string) []int {
	w.Helper()
	return w.pidsOn("gateway", words...)
}

// pidsOn is pids for any node.
func (w *world) pidsOn(node string, words ...string) []int {
	w.Helper()
	found, err := house.PIDs(w.ctx, w.lab, node, words...)
	if err != nil {
		w.Fatal(err)
	}
	return found
}

// signal sends a signal to the gateway's processes that pids finds, and
// returns how many there were.
func (w *world) signal(s syscall.Signal, words ...string) int {
	w.Helper()
	return w.signalOn("gateway", s, words...)
}

// signalOn is signal for any node.
func (w *world) signalOn(node string, s syscall.Signal, words ...string) int {
	w.Helper()
	n, err := house.Signal(w.ctx, w.lab, node, s, words...)
	if err != nil {
		w.Fatal(err)
	}
	return n
}

func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// ranges are the virtual addresses that the gateway has chosen.
func (w *world) ranges() (r struct{ Virtual4, Virtual6 netip.Prefix }) {
	w.Helper()
	text, err := os.ReadFile(w.paths().StateFile())
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		w.Fatal(err)
	}
	return r
}
