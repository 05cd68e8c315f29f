//go:build lab

package pair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tunic/internal/lab"
	labhouse "tunic/internal/lab/house"
)

// labID is the lab's name, so that two checkouts can run at a time.
var labID = cmp.Or(os.Getenv("TUNIC_LAB"), "pair")

// killsVariable is how many boxes `make pair` kills.
const killsVariable = "TUNIC_PAIR"

const (
	// backLimit is how long a household may be without new connections after the
	// box was killed that served it.
	backLimit = 30 * time.Second

	// settleLimit is how long a box that is back may take until the other's mail and
	// configuration are its own.
	settleLimit = 90 * time.Second

	password = "tall order of chips"
)

// TestPair: devices and mail of a household while one of its two boxes after the
// other loses its power.
func TestPair(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv(killsVariable))
	if err != nil {
		t.Skipf("it takes minutes: `make pair` runs it")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	h := newHouse(t, ctx)
	first := h.boxes[0]
	first.boot()
	h.eventually("the first box works", time.Minute, func() bool { return first.master() && first.works() })
	h.setUpMail(first)
	home := first.must("tunic", "address", "home")
	h.boxes[1].boot()
	h.eventually("the second box is current", settleLimit, func() bool { return first.current() && !first.changed() })

	watch, enough := context.WithCancel(ctx)
	mail, seen := h.keepMailing(watch, home), h.keepLooking(watch)
	from := h.capture.MustMark(t)
	var waits []time.Duration
	for i := range kills {
		waits = append(waits, h.killOne(i, mail)...)
	}
	enough()
	mail.wait()
	seen.wait()
	if lines := h.capture.MustLines(t, from, h.foreign()); len(lines) > 0 {
		t.Errorf("%d packets have left that are not tor's: %s", len(lines), strings.Join(lines[:min(5, len(lines))], "\n"))
	}
	h.verifyMail(mail)
	if got := h.master().must("tunic", "address", "home"); got != home {
		t.Errorf("home has the address %s, it had %s", got, home)
	}
	t.Logf("pair: %d kills: new connections after %s; %d looks while both boxes had their power or one of them had, "+
		"%d of them with two that run tor; 0 packets leaked", kills, span(waits), seen.looks, seen.twice)
	if seen.twice > 0 {
		t.Errorf("%d of %d times both boxes ran tor", seen.twice, seen.looks)
	}
	h.controls()
}

// killOne takes the power of the box that serves, and each fifth time of the other
// one; and gives it back. It returns how long new connections took.
func (h *house) killOne(i int, mail *mailing) []time.Duration {
	h.Helper()
	master := h.master()
	victim, what := master, "the box that serves"
	if i%5 == 4 {
		victim, what = master.other(), "the box that waits"
	}
	accepted := mail.count()
	begin := time.Now()
	victim.kill()
	took := h.connects(begin)
	now := h.master()
	text := fmt.Sprintf("kill %d: %s (%s): a new connection after %.1f s", i+1, victim.name(), what, took.Seconds())
	h.pause(3 * time.Second)
	victim.boot()
	back := h.eventually("the killed box is current", settleLimit, func() bool { return now.current() && !victim.master() })
	h.Logf("%s; %d mails accepted since the last; back and current after %.1f s", text, mail.count()-accepted, back.Seconds())
	if victim != master {
		return nil
	}
	return []time.Duration{took}
}

// connects waits until a device's new connection leads to the web server through
// Tor, and returns how long after begin.
func (h *house) connects(begin time.Time) time.Duration {
	h.Helper()
	h.eventually("a device connects", backLimit, func() bool { return h.connect() })
	return time.Since(begin)
}

// connect asks by a name, so it takes DNS too.
func (h *house) connect() bool {
	out, err := h.on("phone", "curl", "-sS", "-m", "2", "http://web.example/ip")
	return err == nil && labhouse.IsExit(strings.TrimSpace(out))
}

// master is the box that has the household's addresses.
func (h *house) master() *box {
	h.Helper()
	var found *box
	h.eventually("one box has the household", backLimit, func() bool {
		found = nil
		for _, b := range h.boxes {
			if b.master() {
				found = b
			}
		}
		return found != nil
	})
	return found
}

// foreign is a filter for what must not leave either box.
func (h *house) foreign() string {
	f := h.lab.Plan().ForeignFilter("gateway")
	for family, addrs := range map[string][]string{"203.0.113.100": {"203.0.113.110", "203.0.113.111"},
		"2001:db8::100": {"2001:db8::110", "2001:db8::111"}} {
		f = strings.ReplaceAll(f, "src host "+family, "src host "+strings.Join(addrs, " or src host "))
	}
	return f
}

// looking is what somebody sees who looks at both boxes again and again.
type looking struct {
	looks, twice int
	done         chan struct{}
}

func (l *looking) wait() { <-l.done }

// keepLooking counts how often both boxes run tor, and would publish home, while a
// device sends what must not leave.
func (h *house) keepLooking(ctx context.Context) *looking {
	l := &looking{done: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			l.looks++
			if len(h.boxes[0].pids("tor")) > 0 && len(h.boxes[1].pids("tor")) > 0 {
				l.twice++
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	all.Go(func() {
		for ctx.Err() == nil {
			_ = h.sendAll() // without a box there is no way out
			time.Sleep(50 * time.Millisecond)
		}
	})
	go func() { all.Wait(); close(l.done) }()
	return l
}

// controls show that the test would notice: without notify nobody connects, and
// without rules what must not leave does.
func (h *house) controls() {
	h.Helper()
	master := h.master()
	waiting := master.other()
	waiting.kill()
	waiting.args = append(waiting.args, "notify \"", "#notify \"")
	waiting.boot()
	h.eventually("the other box is there", settleLimit, func() bool { return len(waiting.pids("keepalived")) > 0 })
	h.pause(5 * time.Second)
	from := h.capture.MustMark(h)
	master.kill()
	h.eventually("the other box has the addresses", backLimit, waiting.master)
	for begin := time.Now(); time.Since(begin) < 15*time.Second; h.pause(time.Second) {
		if h.connect() {
			h.Error("control: a device connects although nobody has told tunic")
			break
		}
		_ = h.sendAll()
	}
	if n := len(h.capture.MustLines(h, from, h.foreign())); n > 0 {
		h.Errorf("control: %d packets leave through the closed box", n)
	}
	from = h.capture.MustMark(h)
	waiting.must("tunic", "teardown", "--yes")
	for range 10 {
		_ = h.sendAll()
		h.pause(100 * time.Millisecond)
	}
	n := len(h.capture.MustLines(h, from, h.foreign()))
	if n == 0 {
		h.Error("control: without rules nothing leaves: the test would see no leak")
	}
	h.Logf("controls: without notify no connection in 15 s and no leak; without the rules %d packets leave", n)
}

// span is the shortest and the longest of several durations.
func span(list []time.Duration) string {
	if len(list) == 0 {
		return "no time"
	}
	return fmt.Sprintf("%.1f to %.1f s", slices.Min(list).Seconds(), slices.Max(list).Seconds())
}

func newHouse(t *testing.T, ctx context.Context) *house {
	t.Helper()
	h := &house{T: t, ctx: ctx, bin: build(t, ctx)}
	if err := lab.Down(ctx, "", labID, false); err != nil && !errors.Is(err, lab.ErrNotFound) {
		t.Fatal(err)
	}
	l, err := lab.Up(ctx, lab.Options{ID: labID, BinDir: h.bin, Machines: []string{"gateway"},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(context.WithoutCancel(ctx), t.Failed()); err != nil {
			t.Error(err)
		}
	})
	h.lab, h.root = l, filepath.Join(l.Dir(), "box")
	n, err := l.Plan().Node("gateway")
	if err == nil {
		h.wires = n.Namespace
		h.capture, err = l.Capture("gateway")
	}
	for _, dir := range []string{h.root, "/run/sshd"} { // Debian's ssh.service makes the second
		if err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range h.boxes {
		h.boxes[i] = h.newBox(i + 1)
	}
	h.introduce()
	return h
}

// newBox makes a box's disk.
func (h *house) newBox(number int) *box {
	h.Helper()
	b := &box{house: h, number: number}
	b.namespace, b.disk = h.wires+"-"+b.name(), filepath.Join(h.lab.Dir(), b.name())
	b.args = []string{"/usr/local/sbin/tunic-pair", filepath.Join(h.bin, "tunic-pair"),
		"priority 100", fmt.Sprintf("priority %d", 120-10*number)}
	if err := os.MkdirAll(filepath.Join(b.disk, "var/lib"), 0o755); err != nil {
		h.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", filepath.Join(h.lab.Root("gateway"), "etc"), b.disk).CombinedOutput(); err != nil {
		h.Fatalf("%v: %s", err, out)
	}
	h.write(filepath.Join("/etc/netns", b.namespace, "resolv.conf"), "nameserver 203.0.113.53\n", 0o644)
	for _, key := range []string{"host", "pair"} {
		file := filepath.Join(b.disk, "etc", key+".key")
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
			h.Fatalf("%v: %s", err, out)
		}
	}
	return b
}

// introduce gives each box the key of the other, and what it is told in
// /etc/tunic-pair.conf.
func (h *house) introduce() {
	h.Helper()
	for _, b := range h.boxes {
		o, etc := b.other(), filepath.Join(h.root, "etc")
		public := h.read(filepath.Join(o.disk, "etc/pair.key.pub"))
		forced := fmt.Sprintf("restrict,command=\"env PATH=%s:/usr/sbin:/usr/bin:/sbin:/bin TUNIC_ROOT=%s "+
			"TUNIC_PAIR_CONF=%s/tunic-pair.conf tunic-pair remote\" ", h.bin, h.root, etc)
		h.write(filepath.Join(b.disk, "etc/authorized_keys"), forced+public, 0o600)
		h.write(filepath.Join(b.disk, "etc/known_hosts"), o.lan()+" "+h.read(filepath.Join(o.disk, "etc/host.key.pub")), 0o644)
		h.write(filepath.Join(b.disk, "etc/sshd.conf"), fmt.Sprintf("HostKey %s/host.key\nAuthorizedKeysFile %s/authorized_keys\n"+
			"PermitRootLogin forced-commands-only\nPidFile none\nUsePAM no\nStrictModes no\nListenAddress %s\n", etc, etc, b.lan()), 0o644)
		conf := strings.NewReplacer("PEER=root@192.168.77.3", "PEER=root@"+o.lan(), "-i /etc/tunic-pair.key",
			"-F none -i "+etc+"/pair.key -o UserKnownHostsFile="+etc+"/known_hosts").Replace(b.file("tunic-pair.conf"))
		conf += fmt.Sprintf("ROOT=%s\nRUN=%s/run/tunic-pair\nSTATE=%s/var/lib/tunic-pair\n", h.root, h.root, h.root)
		conf += "START='hook start'\nSTOP='hook stop'\nRESTART='hook restart'\n"
		h.write(filepath.Join(b.disk, "etc/tunic-pair.conf"), conf, 0o644)
	}
}

// hook is systemctl for a box that has no systemd: it starts the daemon, waits
// for the end of one that it stops, and starts one that was killed.
const hook = `#!/bin/sh
set -eu
umask 022
pidfile=$TUNIC_ROOT/run/tunic.pid
alive() { [ -e "$pidfile" ] && [ "$(cat "/proc/$(cat "$pidfile")/comm" 2>/dev/null)" = tunic ]; }
stop() {
	alive || return 0
	kill "$(cat "$pidfile")"
	i=0; while alive && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done
}
start() {
	alive && return 0
	mkdir -p "$TUNIC_ROOT/run"
	setsid tunic run --root "$TUNIC_ROOT" >>"$TUNIC_ROOT/var/tunic.log" 2>&1 </dev/null &
	echo $! >"$pidfile"
}
case $1 in
start) start ;;
stop) stop ;;
restart) stop; start ;;
esac
`

// build builds the programs into a directory of the test's own.
func build(t *testing.T, ctx context.Context) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tunic-"+labID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // serve runs as another user
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "tunic/cmd/tunic", "tunic/cmd/tunic-lab")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	script, err := os.ReadFile("../../../deploy/ha/tunic-pair")
	if err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(dir, "tunic-pair"), script, 0o755),
			os.WriteFile(filepath.Join(dir, "hook"), []byte(hook), 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
