//go:build lab

package e2e

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/internal/lab"
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
	r := w.exec(node, args...)
	if r.Code != 0 {
		w.Fatalf("%s on %s ended with status %d:\n%s%s", strings.Join(args, " "), node, r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
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
			w.Fatalf("%s on %s: not after %v; the last time: status %d, %q, %s", strings.Join(args, " "), node, took, r.Code, r.Stdout, r.Stderr)
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
	var s api.Status
	if err := json.Unmarshal([]byte(w.must(gateway, "tunic", "status", "--json")), &s); err != nil {
		w.Fatal(err)
	}
	return s
}

// ready waits until everything wanted works on the gateway.
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

// isExit reports whether an address is that of an exit of the Tor network.
func isExit(addr string) bool {
	return slices.ContainsFunc(lab.TorRelays(), func(r lab.Relay) bool {
		return !r.Authority && (addr == r.Addr4.String() || addr == r.Addr6.String())
	})
}

// pids finds the gateway's processes whose command line contains all words.
func (w *world) pids(words ...string) []int {
	w.Helper()
	return w.pidsOn("gateway", words...)
}

// pidsOn is pids for any node.
func (w *world) pidsOn(node string, words ...string) []int {
	w.Helper()
	n, err := w.lab.Plan().Node(node)
	if err != nil {
		w.Fatal(err)
	}
	var found []int
	for _, field := range strings.Fields(w.must(lab.SwitchNode, "ip", "netns", "pids", n.Namespace)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			w.Fatal(err)
		}
		line, err := os.ReadFile(filepath.Join("/proc", field, "cmdline"))
		if err == nil && len(line) > 0 && matches(strings.Split(strings.TrimRight(string(line), "\x00"), "\x00"), words) {
			found = append(found, pid)
		}
	}
	return found
}

// matches compares a command line with the name of a program and its words.
func matches(argv, words []string) bool {
	if filepath.Base(argv[0]) != words[0] {
		return false
	}
	for _, word := range words[1:] {
		if !slices.Contains(argv[1:], word) {
			return false
		}
	}
	return true
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
	pids := w.pidsOn(node, words...)
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil && err != syscall.ESRCH { // it may end by itself
			w.Fatal(err)
		}
	}
	return len(pids)
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
