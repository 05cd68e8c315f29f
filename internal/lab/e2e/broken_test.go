//go:build lab

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/health"
	"tunic/internal/lab/house"
)

// Within which a finding has to be in the status once its cause is there, and how long
// it may stay once the cause is gone: tor, for one, has to connect again.
const (
	foundLimit = 10 * time.Second
	goneLimit  = 90 * time.Second
)

// trouble is one thing that is broken on purpose.
type trouble struct {
	name   string
	what   string      // for people
	before string      // what the status said at the end of November 2026
	code   health.Code // what the status has to say
	words  string      // in its text
	// Break does it, and returns what mends it; nil: the box is started so.
	Break func(*world) (mend func(*world))
}

// troubles are what a newcomer meets. None needs a reload to be found.
func troubles() []trouble {
	return []trouble{
		{"no internet", "the cable to the internet is out", "nothing in 20 s", health.NoUplink, "no connection to the internet",
			uplinkOut},
		{"LAN down", "the household's interface is switched off", "nothing", health.InterfaceDown, "br-lan is switched off", householdOff},
		{"wrong clock", "the clock that tor sees is 400 days behind", "\"wait\"", health.ClockUntrusted,
			"Tor connects only if it is right", nil},
		{"tor killed", "something ends tor, again and again", "after 3 s, with tor's last words", health.TorDown, "tor is not running",
			torEnded},
		{"bad bridge", "one of two bridges does not answer", "nothing", health.BridgeUnreached, "bridge 2 of the 2 in [tor] bridges",
			badBridge},
		{"disk nearly full", "the disk with keys and mail is nearly full", "nothing before it is full", health.DiskNearlyFull,
			"MB are free", diskFilled},
		{"target gone", "the program that an onion leads to has ended", "within 5 minutes, as a Go error", health.TargetUnreachable,
			"connection refused: nothing listens there", targetEnded},
		{"foreign rules", "another program removes all rules", "at once", lasts, "another program changed the rules", rulesRemoved},
	}
}

// wordsOfGo are what no finding may say.
var wordsOfGo = regexp.MustCompile(`dial |listen tcp|bind:|connect:|i/o timeout|\$PATH|exec:|context |EOF|exit status|` +
	`signal:|fork/|x509|json`)

// breaks does it, and measures when the status says so, and when not any more.
func (w *world) breaks(t trouble) (s seen) {
	defer func() { w.timed(t.name+" found", s.found) }()
	if t.Break == nil {
		boot(w)
		w.withoutClock(func() { s = w.findsSoon(t) })
		s.end = w.goes(t)
		return s
	}
	w.ready()
	mend := t.Break(w)
	s = w.findsSoon(t)
	mend(w)
	s.end = w.goes(t)
	w.ready()
	return s
}

// trouble is the finding, if it is there.
func (w *world) trouble(t trouble) (health.Finding, bool) {
	w.Helper()
	list := w.status().Findings
	i := slices.IndexFunc(list, func(f health.Finding) bool { return f.Code == t.code && strings.Contains(f.Text, t.words) })
	if i < 0 {
		return health.Finding{}, false
	}
	return list[i], true
}

// goes waits until it is not there any more.
func (w *world) goes(t trouble) string {
	w.Helper()
	if t.code == lasts {
		return "told for ten minutes"
	}
	took := w.eventually(t.name+" is gone", goneLimit, func() bool { _, there := w.trouble(t); return !there })
	return fmt.Sprintf("%.1f", took.Seconds())
}

// findsSoon waits for the finding, looks at its words, and at what the doctor says.
func (w *world) findsSoon(t trouble) (s seen) {
	w.Helper()
	var f health.Finding
	s.found = w.eventually(t.name+" is found", 2*time.Minute, func() (there bool) { f, there = w.trouble(t); return there })
	if s.text = strings.ReplaceAll(f.Text, strings.TrimSuffix(w.paths().Root, "/"), ""); s.found > foundLimit || f.Action == "" {
		w.Errorf("%s is found after %v: %q, %q", t.name, s.found, f.Text, f.Action)
	}
	for _, f := range w.status().Findings {
		w.Logf("%s: %s %s: %s", t.name, f.Severity, f.Code, f.Text)
		if said := wordsOfGo.FindString(f.Text + f.Action); said != "" {
			w.Errorf("%s: %q is in %q", t.name, said, f.Text)
		}
	}
	r := w.exec("gateway", "tunic", "doctor", "--site", "http://web.example/")
	if said := wordsOfGo.FindString(r.Stdout); said != "" || !strings.Contains(spaced(r.Stdout), spaced(t.words)) {
		w.Errorf("%s: %q, and the doctor says\n%s", t.name, said, r.Stdout)
	}
	return s
}

// spaced is a text without its lines.
func spaced(text string) string { return strings.Join(strings.Fields(text), " ") }

func uplinkOut(w *world) func(*world) {
	plug := w.unplugged()
	return func(*world) { plug() }
}

func householdOff(w *world) func(*world) {
	six := strings.Split(w.must("gateway", "ip", "-6", "-o", "address", "show", "dev", "br-lan", "scope", "global"), "\n")
	w.must("gateway", "ip", "link", "set", "br-lan", "down")
	return func(w *world) {
		w.must("gateway", "ip", "link", "set", "br-lan", "up")
		for _, line := range slices.Backward(six) { // the kernel has forgotten them, and lists the newest first
			w.must("gateway", "ip", "address", "replace", strings.Fields(line)[3], "dev", "br-lan", "nodad")
		}
	}
}

// torEnded ends tor for as long as the test wants.
func torEnded(w *world) func(*world) {
	ctx, stop := context.WithTimeout(w.ctx, time.Minute)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			house.Signal(ctx, w.lab, "gateway", syscall.SIGKILL, "tor")
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return func(*world) { stop(); <-done }
}

// badBridge has tor enter by two bridges, of which one is not there.
func badBridge(w *world) func(*world) {
	line, err := w.lab.StartBridge(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	fields := strings.Fields(line)
	fields[1], fields[2] = "203.0.113.21:9443", strings.Repeat("0123456789", 4)
	undo := w.configured(func(s string) string {
		return s + fmt.Sprintf("\n[tor]\nbridges = [%q, %q]\n", line, strings.Join(fields, " "))
	})
	restarts := w.status().Tor.Restarts
	w.must("gateway", "tunic", "reload")
	w.eventually("another tor", time.Minute, func() bool { return w.status().Tor.Restarts > restarts })
	return func(w *world) {
		undo()
		if err := w.lab.StopBridge(w.ctx); err != nil {
			w.Fatal(err)
		}
	}
}

// diskFilled has the keys and accounts on a small disk of their own, a file with a
// file system, which fills up.
func diskFilled(w *world) func(*world) {
	const size, filling = "300M", "200M" // a disk is nearly full with less than 100 MB
	state, image := w.paths().State, filepath.Join(w.lab.Dir(), "small.img")
	shell := func(script string, args ...string) {
		w.Helper()
		if out, err := exec.CommandContext(w.ctx, "sh", append([]string{"-ec", script, "sh"}, args...)...).CombinedOutput(); err != nil {
			w.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	w.stop(syscall.SIGTERM)
	shell(`truncate -s "$1" "$2"; mkfs.ext4 -q -F "$2"; mkdir "$3.new"; mount -o loop "$2" "$3.new"; rmdir "$3.new/lost+found"
		cp -a "$3/." "$3.new"; umount "$3.new"; rmdir "$3.new"; mount -o loop "$2" "$3"`, size, image, state)
	w.Cleanup(func() {
		w.stop(syscall.SIGTERM)
		shell(`umount "$1"; rm "$2"`, state, image)
		w.start()
	})
	w.start()
	if w.found(health.DiskNearlyFull) {
		w.Error("an empty disk is nearly full")
	}
	filler := filepath.Join(state, "filler")
	shell(`fallocate -l "$1" "$2"`, filling, filler)
	return func(w *world) { w.remove(filler) }
}

// targetEnded publishes what nobody serves, then what somebody does, who ends.
func targetEnded(w *world) func(*world) {
	const address = "192.168.77.20:8099"
	r := w.exec("gateway", "tunic", "publish", "brief", "80="+address)
	w.Cleanup(func() { w.must("gateway", "tunic", "unpublish", "brief", "--forget-key", "--yes") })
	if r.Code != 0 || !strings.Contains(r.Stderr, "warning: port 80 leads to "+address+", and that does not answer: connection refused") {
		w.Errorf("published what nobody serves: status %d, %s", r.Code, r.Stderr)
	}
	end := w.serves(address)
	took := w.eventually("it answers", goneLimit, func() bool { return !w.found(health.TargetUnreachable) })
	w.timed("a target that is served after all", took)
	end()
	return func(w *world) { w.Cleanup(w.serves(address)) }
}

// serves has a page at an address of the nas, until the end of what it returns.
func (w *world) serves(address string) (end func()) {
	w.Helper()
	l, err := w.nas.Listen(w.ctx, address)
	if err != nil {
		w.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go srv.Serve(l)
	return func() { srv.Close() }
}

func rulesRemoved(w *world) func(*world) {
	w.must("gateway", "iptables", "-w", "-t", "filter", "-F")
	return func(*world) {}
}
