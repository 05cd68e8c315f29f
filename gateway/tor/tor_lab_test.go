//go:build lab

package tor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/onion"
	"tunic/internal/proc"
)

// In the environment of this test binary, run by itself again.
const (
	insideKey = "TUNIC_TT_INSIDE" // in a network namespace of its own, without an uplink
	daemonKey = "TUNIC_TT_DAEMON" // as a daemon with this base directory, to be killed
)

// TestMain moves the tests into a network namespace that ends with them, so
// that the real tor that they start can reach nobody.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(daemonKey) != "":
		os.Exit(daemon(os.Getenv(daemonKey)))
	case os.Getenv(insideKey) != "":
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "bringing up lo: %v: %s\n", err, out)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideKey+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func labSpec(base string) (Spec, error) {
	account, err := user.Lookup("tunic-tor")
	if err != nil {
		return Spec{}, fmt.Errorf("%w: run useradd --system --no-create-home --shell /usr/sbin/nologin tunic-tor", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return Spec{}, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	return Spec{
		Binary: "tor", UID: uint32(uid), GID: uint32(gid),
		DataDir: filepath.Join(base, "data"), RunDir: filepath.Join(base, "run"), Torrc: filepath.Join(base, "torrc"),
		TransPort: 9240, SocksPort: 9250, Socks: filepath.Join(base, "run", "socks.sock"), DNSPort: 9253,
		Virtual4: netip.MustParsePrefix("10.192.0.0/16"), Virtual6: netip.MustParsePrefix("fd12:3456:789a::/48"),
	}, err
}

// labOnion makes the keys of an onion in base.
func labOnion(s Spec, base, name string) (Onion, error) {
	dir := filepath.Join(base, "onions", name)
	address, err := onion.EnsureKeys(dir, int(s.UID), int(s.GID))
	return Onion{Name: name, Address: string(address), Dir: dir, Socket: filepath.Join(base, name+".sock"), Ports: []uint16{80, 22}}, err
}

// daemon runs a Tor until it is killed.
func daemon(base string) int {
	spec, err := labSpec(base)
	t := New(Options{Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := errors.Join(err, t.Apply(ctx, spec)); err != nil {
		fmt.Println(err)
		return 1
	}
	_ = t.Serve(ctx)
	return 0
}

// box is a Tor under test.
type box struct {
	*Tor
	t     *testing.T
	base  string
	spec  Spec
	end   context.CancelFunc
	ended chan error
}

func newBox(t *testing.T) *box {
	t.Helper()
	base := labDir(t)
	spec, err := labSpec(base)
	if err != nil {
		t.Fatal(err)
	}
	home, err := labOnion(spec, base, "home")
	if err != nil {
		t.Fatal(err)
	}
	spec.Onions = []Onion{home}
	b := &box{Tor: New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))}), t: t, base: base, spec: spec,
		ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	b.end = cancel
	go func() { b.ended <- b.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		b.await("Serve to return", func() bool { return len(b.ended) == 1 })
	})
	b.apply(spec)
	return b
}

// labDir is a directory that tor's uid may pass; t.TempDir's is not.
func labDir(t *testing.T) string {
	t.Helper()
	base, err := os.MkdirTemp("", "tunic-tt-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Chmod(base, 0o711); err != nil {
		t.Fatal(err)
	}
	return base
}

func (b *box) apply(s Spec) {
	b.t.Helper()
	if err := b.Apply(b.t.Context(), s); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) await(what string, ready func() bool) {
	b.t.Helper()
	for range 600 {
		if ready() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("waiting for %s in vain; status %+v", what, b.Status())
}

func (b *box) awaitRunning() Status {
	b.t.Helper()
	b.await("tor to run", func() bool { return b.Status().Running && b.runningSession() != nil })
	return b.Status()
}

func (b *box) runningSession() *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}

// published asks tor itself which onions it has.
func (b *box) published() []string {
	b.t.Helper()
	lines, err := b.runningSession().commands.command("GETCONF HiddenServiceOptions")
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, line := range lines {
		if dir, found := strings.CutPrefix(line, "HiddenServiceDir="); found {
			names = append(names, filepath.Base(dir))
		}
	}
	return names
}

func TestLifeOfTor(t *testing.T) {
	b := newBox(t)
	first := b.awaitRunning()
	if first.Version < "0.4.9" {
		t.Errorf("version %q", first.Version)
	}
	if first.Bootstrap > 10 || first.Summary == "" || first.Live || first.Circuits || first.Restarts != 0 {
		t.Errorf("without a network: %+v", first)
	}
	if owner, err := proc.Word(first.PID, "status", "Uid"); err != nil || owner != strconv.Itoa(int(b.spec.UID)) {
		t.Errorf("tor runs as uid %q, %v", owner, err)
	}
	if difference, err := b.runningSession().listening(b.spec); difference != "" || err != nil {
		t.Errorf("listeners: %s, %v", difference, err)
	}

	// Onions come and go while the process stays.
	photos, err := labOnion(b.spec, b.base, "photos")
	if err != nil {
		t.Fatal(err)
	}
	more := b.spec.Clone()
	more.Onions = append(more.Onions, photos)
	b.apply(more)
	if got := b.published(); !slices.Equal(got, []string{"home", "photos"}) {
		t.Errorf("onions %q", got)
	}
	b.apply(b.spec)
	if got := b.published(); !slices.Equal(got, []string{"home"}) {
		t.Errorf("onions %q", got)
	}
	b.apply(more)

	// What tor does not understand changes nothing.
	bad := more.Clone()
	bad.Snippets = []Snippet{{File: "own.conf", Text: "NoSuchOption 1\n"}}
	var refused *RefusedError
	if err := b.Apply(t.Context(), bad); !errors.As(err, &refused) || refused.Code/10 != 55 ||
		!strings.Contains(err.Error(), "NoSuchOption") {
		t.Errorf("bad line: %v", err)
	}
	if now := b.Status(); now.PID != first.PID || !now.Running || now.Restarts != 0 {
		t.Errorf("the process changed: %+v", now)
	}
	if text, err := os.ReadFile(b.spec.Torrc); err != nil || string(text) != owned(Render(more, b.runningSession().version)) {
		t.Errorf("the torrc is not that of the last accepted state (%v)", err)
	}

	// A killed tor comes back as it was.
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.await("the end of tor to be seen", func() bool { return b.Status().PID != first.PID })
	if s := b.Status(); !strings.Contains(s.LastError, "killed") {
		t.Errorf("last error %q", s.LastError)
	}
	second := b.awaitRunning()
	if second.Restarts != 1 || second.PID == first.PID {
		t.Errorf("after the kill: %+v", second)
	}
	if got := b.published(); !slices.Equal(got, []string{"home", "photos"}) {
		t.Errorf("onions after the kill: %q", got)
	}

	// A start-only option takes another process, a bad one takes none.
	sandbox := more.Clone()
	sandbox.Snippets = []Snippet{{File: "own.conf", Text: "NoExec 1\n"}}
	b.apply(sandbox)
	b.await("another process", func() bool { return b.Status().PID != second.PID })
	third := b.awaitRunning()
	bad = sandbox.Clone()
	bad.Snippets = []Snippet{{File: "own.conf", Text: "NoExec 0\nBandwidthRate nonsense\n"}}
	if err := b.Apply(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "BandwidthRate") {
		t.Errorf("bad line with a restart: %v", err)
	}
	if now := b.Status(); now.PID != third.PID {
		t.Error("tor was restarted for a configuration that it does not understand")
	}

	b.end()
	b.await("tor to end", func() bool { return !proc.Alive(third.PID) })
	b.await("Serve to return", func() bool { return len(b.ended) == 1 })
	if s := b.Status(); s.Running || s.PID != 0 {
		t.Errorf("after the end: %+v", s)
	}
}

// TestKeysReachTor asks tor itself for what was written into files.
func TestKeysReachTor(t *testing.T) {
	b := newBox(t)
	b.awaitRunning()
	photos, err := labOnion(b.spec, b.base, "photos")
	if err != nil {
		t.Fatal(err)
	}
	photos.MaxStreams, photos.Clients = 7, []onion.ClientKey{bobKey}
	nobody, err := labOnion(b.spec, b.base, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Clients = []onion.ClientKey{}
	next := b.spec.Clone()
	next.Onions = append(next.Onions, photos, nobody)
	next.Auth = []Auth{{Onion: friendAddress, Key: aliceSecret}}
	next.Maps = []Map{{Virtual: netip.MustParseAddr("10.192.0.7"), Onion: friendAddress},
		{Virtual: netip.MustParseAddr("fd12:3456:789a::7"), Onion: friendAddress}}
	b.apply(next)
	if got := b.published(); !slices.Equal(got, []string{"home", "photos"}) {
		t.Errorf("onions %q", got)
	}
	ask := func(command, want string) {
		t.Helper()
		lines, err := b.runningSession().commands.command(command)
		if err != nil || !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("%s: %q, %v; want %q in it", command, lines, err, want)
		}
	}
	view := func() {
		t.Helper()
		ask("ONION_CLIENT_AUTH_VIEW", string(friendAddress)+" x25519:")
		ask("GETCONF HiddenServiceOptions", "HiddenServiceMaxStreams=7")
		ask("GETINFO address-mappings/config", "10.192.0.7 "+friendAddress.Host())
		ask("GETINFO address-mappings/config", "[fd12:3456:789a::7] "+friendAddress.Host())
	}
	view()
	if err := b.NewNym(t.Context()); err != nil { // as `tunic new-identity` does
		t.Fatal(err)
	}
	view()
	pid := b.Status().PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.await("another process", func() bool { return b.Status().PID != pid && b.runningSession() != nil })
	view()
	if err := b.Republish(t.Context(), "photos"); err != nil {
		t.Error(err)
	}
	if got := b.published(); !slices.Equal(got, []string{"home", "photos"}) {
		t.Errorf("after publishing again: onions %q", got)
	}
}

// TestPortTaken: tor cannot start, says why, and starts once it can.
func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:9250")
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t)
	b.await("a failed start", func() bool { return b.Status().LastError != "" })
	if s := b.Status(); s.Running || !strings.Contains(s.LastError, "Could not bind to 127.0.0.1:9250") {
		t.Errorf("status %+v", s)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	b.awaitRunning()
}

// TestDeadlyConfiguration: tor ends itself over a bad MetricsPortPolicy that it
// has checked already. The options are tunic's own, so the lines are handed
// over below Check.
func TestDeadlyConfiguration(t *testing.T) {
	b := newBox(t)
	first := b.awaitRunning()
	deadly := b.spec.Clone()
	deadly.Snippets = []Snippet{{File: "own.conf", Text: "MetricsPortPolicy nonsense\n"}}
	b.applying.Lock()
	err := b.reload(t.Context(), b.runningSession(), b.spec, deadly)
	b.applying.Unlock()
	if err == nil {
		t.Fatal("accepted")
	}
	b.await("another process", func() bool { return b.Status().PID != first.PID })
	b.awaitRunning()
	if text, err := os.ReadFile(b.spec.Torrc); err != nil || string(text) != owned(Render(b.spec, b.runningSession().version)) {
		t.Errorf("the torrc is not the old one (%v)", err)
	}
}

// TestTorFollowsItsDaemon: nobody stops tor when the daemon is killed, and it
// still does not stay.
func TestTorFollowsItsDaemon(t *testing.T) {
	base := labDir(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), daemonKey+"="+base)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for i := 0; pid == 0 && i < 600; i++ {
		time.Sleep(50 * time.Millisecond)
		pid = childOf(cmd.Process.Pid, "--defaults-torrc")
	}
	time.Sleep(time.Second) // tor reads its command line
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if pid == 0 {
		t.Fatal("the daemon started no tor")
	}
	for range 600 {
		if !proc.Alive(pid) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Error("tor outlived its daemon by a minute")
}

// childOf finds a child process with a word in its command line.
func childOf(parent int, word string) int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, path := range tasks {
		text, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(text)) {
			line, _ := os.ReadFile("/proc/" + field + "/cmdline")
			if strings.Contains(string(line), word) {
				pid, _ := strconv.Atoi(field)
				return pid
			}
		}
	}
	return 0
}

// TestOptionNames holds the tables of this package against the binary's own
// list: no name is misspelt, and no option that the owner may set is refused
// because it is the beginning of one of ours.
func TestOptionNames(t *testing.T) {
	out, err := exec.Command("tor", "--list-torrc-options").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields(string(out))
	for _, name := range slices.Concat(ownOptions, startOptions) {
		if !slices.Contains(known, name) {
			t.Errorf("tor has no option %s", name)
		}
	}
	for _, name := range known {
		own := slices.Contains(ownOptions, name) || strings.HasPrefix(name, "HiddenService") || strings.HasPrefix(name, "__")
		if refused := len(CheckSnippet("x", name+" 1")) > 0; refused != own {
			t.Errorf("%s: refused %v, tunic's own %v", name, refused, own)
		}
	}
}
