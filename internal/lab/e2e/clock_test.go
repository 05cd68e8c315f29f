//go:build lab

package e2e

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/health"
	"tunic/internal/lab/house"
)

// lateTor is a tor whose clock is more than a year behind (libfaketime), where
// the daemon and everything else has the machine's, which nobody sets. The
// library alone: the program faketime stays between the daemon and tor.
const lateTor = `#!/bin/sh
export LD_PRELOAD="/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1" FAKETIME=-400d
exec tor "$@"
`

// tellTime is what tunic-clock.service runs, without the capability to set the
// clock.
var tellTime = []string{"setpriv", "--reuid=tunic-tor", "--regid=tunic-tor", "--clear-groups", "--no-new-privs", "tunic", "clock"}

// withoutClock boots a box whose tor cannot connect because of the clock, does
// something while the household is closed, and gives tor the right clock.
func (w *world) withoutClock(test func()) {
	w.Helper()
	main := w.paths().Main()
	before, err := os.ReadFile(main)
	if err != nil {
		w.Fatal(err)
	}
	wrapper := filepath.Join(w.paths().Root, "late-tor")
	if err := errors.Join(os.WriteFile(wrapper, []byte(lateTor), 0o755), os.RemoveAll(w.paths().Clock())); err != nil {
		w.Fatal(err)
	}
	defer os.Remove(wrapper)
	w.write(main, string(before)+"\n[tor]\nbinary = \""+wrapper+"\"\n")
	if _, err := w.lab.StartDaemon("gateway"); err != nil {
		w.Fatal(err)
	}
	w.eventually("tor is stuck", time.Minute, func() bool {
		r, err := w.lab.Exec(w.ctx, "gateway", "tunic", "status")
		return err == nil && r.Code == 0 && w.status().Tor.Bootstrap == 14
	})
	test()
	if s := w.status(); s.State != api.Closed || s.Tor.Bootstrap != 14 {
		w.Errorf("the household is %s, tor at %d %%", s.State, s.Tor.Bootstrap)
	}
	w.write(main, string(before))
	w.must("gateway", "tunic", "reload")
	w.ready()
}

// testClock: relays tell the time to a box whose tor cannot connect, and nothing
// else leaves; once it connects, the box's own NTP client hears it.
func testClock(w *world) {
	boot(w)
	w.withoutClock(func() {
		w.finds(health.ClockUntrusted, "not certain")
		mark := w.wan.MustMark(w)
		begin := time.Now()
		if said := w.must("gateway", tellTime...); !strings.Contains(said, "3 of 3 relays agree") {
			w.Errorf("tunic clock says %q", said)
		}
		w.timed("relays asked for the time, in a closed house", time.Since(begin))
		w.eventually("the time is known", 30*time.Second, func() bool { return !w.found(health.ClockUntrusted) })
		w.ownTime() // nobody answers yet, and nothing of it leaves
		w.pause(settle)
		asked := w.opened(mark)
		foreign := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter("gateway"))
		if len(asked) < 3 || len(foreign) > 0 {
			w.Errorf("%d connections to relays, and beside them:\n%s", len(asked), strings.Join(foreign, "\n"))
		}
	})
	mark := w.wan.MustMark(w)
	if leap, off := w.ownTime(); leap != 0 || off.Abs() > 3*time.Second {
		w.Errorf("the box's client hears leap %d, a time that is off by %s", leap, off)
	}
	w.pause(settle)
	if lines := w.wan.MustLines(w, mark, "udp port 123"); len(lines) > 0 {
		w.Errorf("%d questions of the box's own left, the first: %s", len(lines), lines[0])
	}
	if from, ok := w.curl("phone", 30, "http://"+web4+"/ip"); !ok || !house.IsExit(from) {
		w.Errorf("with the right clock the phone arrives from %q", from)
	}
}

func (w *world) found(code health.Code) bool {
	return slices.ContainsFunc(w.status().Findings, func(f health.Finding) bool { return f.Code == code })
}

// ownTime asks a server of the internet for the time as a program on the box
// does, and returns the answer's leap indicator and how far the time is from ours.
func (w *world) ownTime() (leap int, off time.Duration) {
	w.Helper()
	conn, err := w.gateway.Dial(w.ctx, "udp", web4+":123")
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	packet := make([]byte, 512)
	packet[0] = 4<<3 | 3
	if _, err := conn.Write(packet[:48]); err != nil {
		return -1, 0
	}
	if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		w.Fatal(err)
	}
	if n, err := conn.Read(packet); err != nil || n != 48 {
		return -1, 0
	}
	const epoch = 2208988800
	return int(packet[0] >> 6), time.Until(time.Unix(int64(binary.BigEndian.Uint32(packet[40:]))-epoch, 0))
}

// whileNoClock asks relays and a time server again and again.
func whileNoClock(w *world, send func()) {
	w.withoutClock(func() {
		w.meanwhile(func() error {
			_, _ = w.ownTime()
			r, err := w.lab.Exec(w.ctx, "gateway", tellTime...)
			if r.Code != 0 {
				err = errors.Join(err, errors.New(r.Stderr))
			}
			return err
		}, send)
	})
}
