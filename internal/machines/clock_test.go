//go:build machines

package machines

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
)

// sleeper is a box that lay in a cupboard.
type sleeper struct {
	release    Release
	timeDaemon string    // of its clock, as Debian has it
	shows      time.Time // what its clock shows when it wakes
	synced     []string  // a command of the timeDaemon's
	says       string    // by it, once it has heard the time
}

var sleepers = []sleeper{
	{Releases[0], "chrony", time.Unix(60, 0), []string{"chronyc", "-n", "tracking"}, "Leap status     : Normal"},
	{Releases[1], ownTimeDaemon, time.Now().AddDate(-2, 0, 0), []string{"timedatectl", "timesync-status"}, "Stratum:"},
}

// Of a box that wakes in an emulator: how far its clock may be off in the end,
// how far it is off at the least in the beginning, although systemd moves it to
// its own date, and how long each step may take.
const (
	clockError  = 5 * time.Second
	leastBehind = 30 * 24 * time.Hour
	awakeLimit  = 10 * time.Minute
)

// TestClock wakes each Debian, with tunic installed and never used, with a clock
// that shows another year. It becomes protected by itself, and what keeps its
// clock in Debian hears the time.
func TestClock(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the emulator is started for amd64 alone")
	}
	var releases []Release
	for _, s := range sleepers {
		releases = append(releases, s.release.WithKernel(s.timeDaemon))
	}
	w := newWorld(t, releases, slow)
	for i, s := range sleepers {
		t.Run(s.release.Codename, func(t *testing.T) {
			w := w.in(t)
			w.newMachine(releases[i])
			w.boot()
			w.unused()
			w.play(scenario{name: fmt.Sprintf("waking in %d, with %s", s.shows.Year(), s.timeDaemon), do: func(w *world) { w.wakes(s) }})
		})
	}
}

// unused installs tunic on a machine, a version that is older than the machine's
// sleep, and switches it off before it was ever of use: nothing in it tells how
// late it is but Debian's own files.
func (w *world) unused() {
	w.Helper()
	w.installed(mainConfig)
	w.must(box, "systemctl", "stop", "tunic", "tunic-clock.timer")
	w.shell("rm -rf /var/lib/tunic/* /var/lib/chrony/* /var/lib/systemd/timesync /var/lib/private/systemd/timesync")
	old := fmt.Sprintf("-X main.built=%d", time.Now().AddDate(-3, 0, 0).Unix())
	build := exec.CommandContext(w.ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", old, "-o",
		filepath.Join(w.m.system(), "usr/local/bin/tunic"), "./cmd/tunic")
	build.Dir, build.Env = w.checkout, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		w.Fatalf("building: %v\n%s", err, out)
	}
	w.powerOff()
}

// wakes: it is behind, it finds the time by itself, and only then it makes what
// has a date.
func (w *world) wakes(s sleeper) {
	begin := time.Now()
	awake, err := w.m.Wake(w.ctx, s.shows)
	if err != nil {
		w.Fatal(err)
	}
	w.awake = awake
	defer w.asleep()
	w.behind(s, begin)
	w.closed()
	right := w.eventually("the clock is right", awakeLimit, func() bool { return w.clockOff().Abs() < clockError })
	open := w.protectedIn(awakeLimit)
	w.Logf("time: %s: waking in %d: right after %.0f s, a page through Tor %.0f s later",
		w.release.Codename, s.shows.Year(), right.Seconds(), open.Seconds())
	w.dated(begin)
	heard := w.eventually(s.timeDaemon+" hears the time", awakeLimit, func() bool {
		return strings.Contains(w.exec(box, s.synced...).Stdout, s.says) &&
			w.exec(box, "timedatectl", "show", "-p", "NTPSynchronized").Stdout == "NTPSynchronized=yes\n"
	})
	w.Logf("time: %s: %s hears the time %.0f s later:\n%s", w.release.Codename, s.timeDaemon, heard.Seconds(), w.must(box, s.synced...))
	w.knowsTheTime()
	w.booted()
}

// behind checks that the machine's clock began where it was said, and is far
// from right where systemd has moved it.
func (w *world) behind(s sleeper, begin time.Time) {
	w.Helper()
	chip, err := strconv.ParseInt(w.must(box, "cat", "/sys/class/rtc/rtc0/since_epoch"), 10, 64)
	if off := time.Unix(chip, 0).Sub(s.shows); err != nil || off.Abs() > time.Since(begin)+clockError {
		w.Errorf("the clock chip is %v from %v: %v", off, s.shows, err)
	}
	off := w.clockOff()
	w.Logf("the clock is behind by %v at first", -off)
	if off > -leastBehind {
		w.Errorf("the clock is behind by %v at first, which is not wrong enough", -off)
	}
}

// clockOff is how far the machine's clock is ahead, within the time that asking
// takes.
func (w *world) clockOff() time.Duration {
	w.Helper()
	before := time.Now()
	seconds, err := strconv.ParseFloat(w.must(box, "date", "+%s.%N"), 64)
	if err != nil {
		w.Fatal(err)
	}
	shows := time.UnixMicro(int64(seconds * 1e6))
	return shows.Sub(before.Add(time.Since(before) / 2))
}

// dated checks that the box's certificates, and all that tunic has written, are
// of a time when the clock was right.
func (w *world) dated(begin time.Time) {
	w.Helper()
	authority := "/var/lib/tunic/ca/authority.pem"
	w.eventually("the house has an authority", awakeLimit, func() bool { return w.exec(box, "test", "-s", authority).Code == 0 })
	for _, file := range strings.Fields(w.must(box, "find", "/var/lib/tunic/ca", "-name", "*.pem")) {
		written, err := strconv.ParseInt(w.must(box, "stat", "-c", "%Y", file), 10, 64)
		if err != nil || time.Unix(written, 0).Before(begin) {
			w.Errorf("%s was written at %v: %v", file, time.Unix(written, 0), err)
		}
		text := w.must(box, "openssl", "x509", "-in", file, "-noout", "-startdate")
		from, err := time.Parse("Jan _2 15:04:05 2006 MST", strings.TrimPrefix(text, "notBefore="))
		if age := time.Since(from); err != nil || age > 49*time.Hour || age < 0 {
			w.Errorf("%s is valid from %v: %v", file, from, err)
		}
	}
}

// knowsTheTime checks what the household is told, and who has set the clock.
func (w *world) knowsTheTime() {
	w.Helper()
	if s := w.status(); s.State != api.Open {
		w.Errorf("the household is %s", s.State)
	}
	w.eventually("the status says who keeps the clock", awakeLimit, func() bool { // the daemon looks every half a minute
		status := w.exec(box, "tunic", "status").Stdout
		return strings.Contains(status, "kept by an NTP client") && strings.Contains(status, "relays agreed on the time")
	})
	journal := w.must(box, "journalctl", "-b", "-u", "tunic-clock", "-o", "cat", "--no-pager")
	if !strings.Contains(journal, "the clock was wrong by") {
		w.Errorf("tunic-clock has not set the clock:\n%s", journal)
	}
}

// asleep takes the power away, and shows what happened if that was wrong.
func (w *world) asleep() {
	if w.Failed() {
		w.Logf("the journal:\n%s", w.exec(box, "journalctl", "-b", "-u", "tunic*", "-u", "chrony", "-u", ownTimeDaemon, "-u",
			"systemd-networkd", "-o", "short-monotonic", "--no-pager", "-n", "60").Stdout)
	}
	if err := w.awake.Cut(context.WithoutCancel(w.ctx)); err != nil {
		w.Error(err)
	}
	w.awake = nil
}
