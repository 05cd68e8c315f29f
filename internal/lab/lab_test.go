//go:build lab

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tools builds tunic-lab, whose hidden subcommands are the lab's servers.
func tools(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "tunic-lab"), "tunic/cmd/tunic-lab").CombinedOutput()
	if err != nil {
		t.Fatalf("building tunic-lab: %v\n%s", err, out)
	}
	return dir
}

// up brings a lab up below base and takes it down at the end of the test.
func up(t testing.TB, ctx context.Context, o Options) *Lab {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	o.Progress = func(d time.Duration, text string) { t.Logf("%s: %5.1f s %s", o.ID, d.Seconds(), text) }
	l, err := Up(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Down(context.WithoutCancel(ctx), o.Base, o.ID, false); err != nil && !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
	return l
}

// trace lists what a lab leaves: namespaces, /etc files, its directory, and
// those of the processes that still run.
func trace(t *testing.T, l *Lab, processes []Process) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"/run/netns/tunic-%s-*", "/etc/netns/tunic-%s-*"} {
		matches, err := filepath.Glob(fmt.Sprintf(pattern, l.Plan().ID))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, matches...)
	}
	if _, err := os.Stat(l.Dir()); err == nil {
		found = append(found, l.Dir())
	}
	for _, p := range processes {
		if p.Alive() {
			found = append(found, p.Name)
		}
	}
	return found
}

func mustExec(t testing.TB, ctx context.Context, l *Lab, node string, args ...string) string {
	t.Helper()
	r, err := l.Exec(ctx, node, args...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 {
		t.Fatalf("%s: %v: status %d\n%s%s", node, args, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

func TestTorNetwork(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	bin := tools(t)
	l := up(t, ctx, Options{ID: "tst1", BinDir: bin})

	if _, err := Up(ctx, Options{ID: "tst1", BinDir: bin, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, ErrExists) {
		t.Errorf("a second Up: %v, want ErrExists", err)
	}
	capture, err := l.Capture("gateway")
	if err != nil {
		t.Fatal(err)
	}
	address := startClient(t, ctx, l)
	before := len(capturedLines(t, ctx, capture, Mark{}, l.Plan().ForeignFilter("gateway")))
	if before != 0 {
		t.Errorf("tor alone sent %d foreign packets: %v", before, capturedLines(t, ctx, capture, Mark{}, l.Plan().ForeignFilter("gateway")))
	}
	for _, url := range []string{"http://203.0.113.80/ip", "http://[2001:db8::80]/ip"} {
		got := strings.TrimSpace(mustExec(t, ctx, l, "gateway", "curl", "-sS", "--max-time", "30", "-x", "socks5h://127.0.0.1:9250", url))
		if !isExit(got) {
			t.Errorf("%s came from %s, not from an exit", url, got)
		}
	}
	if got := visit(t, ctx, l, address); got != "This is the nas.\n" {
		t.Errorf("the onion answered %q", got)
	}
	mark, err := capture.Mark(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, ctx, l, "phone", "curl", "-sS", "--max-time", "10", "http://203.0.113.80/ip")
	if n, err := capture.CountSince(ctx, mark, "tcp dst port 80 and src host 192.168.77.10"); err != nil || n == 0 {
		t.Errorf("a fetch without Tor was not captured: %d, %v", n, err)
	}

	second := up(t, ctx, Options{ID: "tst2", BinDir: bin, NetworkOnly: true, Households: 3})
	if got := mustExec(t, ctx, second, "c-laptop", "curl", "-sS", "http://203.0.113.80/ip"); got != "192.168.79.10\n" {
		t.Errorf("the second lab's web server saw %q", got)
	}
	for _, one := range []*Lab{l, second} {
		processes := one.Processes()
		if err := Down(ctx, "", one.Plan().ID, false); err != nil {
			t.Error(err)
		}
		if left := trace(t, one, processes); left != nil {
			t.Errorf("after down there are %v", left)
		}
	}
}

// visit fetches an onion's page. Its descriptor may not be out yet, and a tor that
// tried too early hangs on what it had: each try has circuits of its own.
func visit(t *testing.T, ctx context.Context, l *Lab, address string) string {
	t.Helper()
	var r Result
	for i := range 10 {
		var err error
		r, err = l.Exec(ctx, "gateway", "curl", "-sS", "--max-time", "12", "-x", fmt.Sprintf("socks5h://try%d:x@127.0.0.1:9250", i),
			"http://"+address+"/")
		if err != nil {
			t.Fatal(err)
		}
		if r.Code == 0 {
			return r.Stdout
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("visiting the onion: status %d\n%s\n%s", r.Code, r.Stderr, l.logTail("client-rend", 60))
	return ""
}

func capturedLines(t *testing.T, ctx context.Context, c *Capture, since Mark, filter string) []string {
	t.Helper()
	lines, err := c.Lines(ctx, since, filter)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func isExit(addr string) bool {
	for _, r := range TorRelays() {
		if !r.Authority && (addr == r.Addr4.String() || addr == r.Addr6.String()) {
			return true
		}
	}
	return false
}

// startClient starts a plain tor on the gateway, with an onion for the nas,
// waits until it is bootstrapped, and returns the onion's address.
func startClient(t *testing.T, ctx context.Context, l *Lab) string {
	t.Helper()
	dir := filepath.Join(l.Root("gateway"), "client")
	torrc := filepath.Join(l.Root("gateway"), "client.torrc")
	text := fmt.Sprintf("%%include %s\nDataDirectory %s\nSocksPort 127.0.0.1:9250\nHiddenServiceDir %s/hs\nHiddenServicePort 80 %s\n"+
		"Log notice stdout\nLog [rend]info file %s\n",
		filepath.Join(l.Root("gateway"), "etc/tunic/torrc.d/lab.conf"), dir, dir, NASOnionTarget, l.LogFile("client-rend"))
	if err := errors.Join(os.WriteFile(torrc, []byte(text), 0o600), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Start("gateway", "client", "tor", "-f", torrc); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := poll(wait, func() (bool, error) {
		log, err := os.ReadFile(l.LogFile("client"))
		return strings.Contains(string(log), "Bootstrapped 100%"), err
	})
	if err != nil {
		t.Fatalf("waiting for the client: %v\n%s", err, l.logTail("client", 10))
	}
	t.Logf("client at 100 %% after %.1f s", time.Since(begin).Seconds())
	err = poll(wait, func() (bool, error) {
		log, err := os.ReadFile(l.LogFile("client-rend"))
		return strings.Contains(string(log), "Uploading hidden service descriptor: finished with status 200"), err
	})
	if err != nil {
		t.Fatalf("waiting for the onion's descriptor: %v\n%s", err, l.logTail("client-rend", 40))
	}
	t.Logf("its onion is in a directory after %.1f s", time.Since(begin).Seconds())
	name, err := os.ReadFile(filepath.Join(dir, "hs/hostname"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(name))
}

// A lab whose builder was killed is taken down like any other.
func TestDownAfterKill(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bin := tools(t)
	if err := os.WriteFile(filepath.Join(bin, "tunic"), nil, 0o755); err != nil { // never started: it is killed before
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "tunic-lab"), "--lab", "tst3", "up")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Down(context.WithoutCancel(ctx), "", "tst3", false); err != nil && !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
	var l *Lab
	err := poll(ctx, func() (bool, error) {
		var err error
		if l, err = Load("", "tst3"); err != nil {
			return false, nil // not yet
		}
		_, started := l.process("exit4")
		return started, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("up ended well although it was killed")
	}
	if s, err := l.Status(ctx); err != nil || s.Ready || s.Healthy {
		t.Errorf("a half built lab counts as ready %v and healthy %v, %v", s.Ready, s.Healthy, err)
	}
	processes := l.Processes()
	if err := Down(ctx, "", "tst3", false); err != nil {
		t.Error(err)
	}
	if left := trace(t, l, processes); left != nil {
		t.Errorf("after down there are %v", left)
	}
}
