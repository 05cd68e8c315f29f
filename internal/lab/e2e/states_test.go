//go:build lab

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	gatewaybox "tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/internal/lab/house"
)

// state is a moment in the life of a gateway. before, if not nil, leads to it
// over a time when nothing can hold a packet, and is not watched. around makes
// the state, calls send while it lasts, and ends with everything as it was.
type state struct {
	name   string
	before func(w *world)
	around func(w *world, send func())
	extra  []class          // what is sent in this state alone
	only   func(class) bool // nil: all classes are sent, and the box's own packets count
}

func states() []state {
	return []state{
		{name: stateConntrack, around: whileFlushed},
		{name: stateReload, around: whileReloading},
		{name: stateTorHangs, around: whileTorHangs},
		{name: stateTorKilled, around: whileTorRestarts},
		{name: stateTorGone, around: whileTorGone},
		{name: stateServe, around: whileServeRestarts},
		{name: stateFlushed, before: foreignFlush, around: steady},
		{name: stateStorm, around: whileStorming, extra: crowd(20 * time.Second), only: fromDevices},
		{name: stateGone, around: whileGone, extra: crowd(5 * time.Second), only: fromDevices},
		{name: stateAccept, before: acceptAll, around: whileAccepting},
		{name: stateRenamed, around: whileRenamed},
		{name: stateAddress, around: whileReaddressed, extra: newNetwork()},
		{name: stateKill, around: afterKill},
		{name: stateDead, around: whileStopping},
		{name: stateUpgrade, around: whileUpgrading},
		{name: stateLate, before: withoutInterface, around: interfaceLate},
		{name: stateBoot, before: boot, around: bootClosed},
		{name: stateStarting, before: boot, around: bootStarting},
		{name: stateNoClock, before: boot, around: whileNoClock},
		{name: stateMisnamed, around: whileMisnamed},
		{name: stateUnnamed, around: whileUnnamed},
	}
}

// testStates sends all classes in each state.
func testStates(w *world) {
	defer w.containers()()
	for _, s := range states() {
		w.run(s.name, func(w *world) {
			outcomes := w.sendIn(s, nil)
			col := w.record(s.name, outcomes)
			for _, line := range col.leaked() {
				w.Errorf("leaked: %s", line)
			}
			w.Logf("%d classes, %d packets sent, %d leaked", len(outcomes), col.sent(), len(col.leaked()))
			w.arrives()
		})
	}
}

// sendIn sends all classes, and more, in a state.
func (w *world) sendIn(s state, more []class) []outcome {
	w.Helper()
	if s.before != nil {
		s.before(w)
	}
	sent := slices.DeleteFunc(slices.Concat(classes(), more), func(c class) bool { return s.only != nil && !s.only(c) })
	outcomes := w.observe(slices.Concat(sent, s.extra), func(send func()) { s.around(w, send) })
	for i, o := range outcomes {
		if s.only != nil {
			outcomes[i].leaked = slices.DeleteFunc(o.leaked, byBox.MatchString)
		}
		if o.count == 0 {
			w.Errorf("%s %s: nothing was sent", o.id, o.what)
		}
	}
	return outcomes
}

// arrives checks that the phone is back on line.
func (w *world) arrives() {
	w.Helper()
	from := ""
	w.eventually("the phone reaches the web", 30*time.Second, func() bool {
		var ok bool
		from, ok = w.curl("phone", 10, "http://"+web4+"/ip")
		return ok
	})
	if !house.IsExit(from) {
		w.Errorf("the phone arrived from %s, which is no exit", from)
	}
}

// meanwhile repeats disturb until send has ended; disturb must not end the test.
func (w *world) meanwhile(disturb func() error, send func()) {
	w.Helper()
	var group sync.WaitGroup
	done := make(chan struct{})
	times, first := 0, error(nil)
	group.Go(func() {
		for {
			err := disturb()
			if first == nil {
				first = err
			}
			times++
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	defer func() {
		close(done)
		group.Wait()
		if first != nil {
			w.Error(first)
		}
		w.Logf("%d times", times)
	}()
	send()
}

func whileFlushed(w *world, send func()) {
	w.meanwhile(func() error {
		_, err4 := w.lab.Exec(w.ctx, "gateway", "conntrack", "-F", "-f", "ipv4")
		_, err6 := w.lab.Exec(w.ctx, "gateway", "conntrack", "-F", "-f", "ipv6")
		return errors.Join(err4, err6)
	}, send)
}

// whileReloading changes the laptop's policy and back, which swaps all rules.
func whileReloading(w *world, send func()) {
	path := w.device("laptop")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	block := true
	w.meanwhile(func() error {
		err := os.Remove(path)
		if block {
			err = os.WriteFile(path, []byte(deviceText("02:00:00:0a:00:11", config.PolicyBlock)), 0o644)
		}
		block = !block
		r, execErr := w.lab.Exec(w.ctx, "gateway", "tunic", "reload")
		if r.Code != 0 {
			execErr = errors.Join(execErr, errors.New(r.Stderr))
		}
		return errors.Join(err, execErr)
	}, send)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		w.Error(err)
	}
	w.must("gateway", "tunic", "reload")
}

// one sends a signal to the one process that fits.
func (w *world) one(s syscall.Signal, words ...string) {
	w.Helper()
	if n := w.signal(s, words...); n != 1 {
		w.Fatalf("%d processes are %q", n, words)
	}
}

func whileTorHangs(w *world, send func()) {
	w.one(syscall.SIGSTOP, "tor")
	defer w.one(syscall.SIGCONT, "tor")
	send()
}

func whileTorRestarts(w *world, send func()) {
	w.one(syscall.SIGKILL, "tor")
	begin := time.Now()
	send()
	w.ready()
	w.timed("killed tor to ready again, at most", time.Since(begin))
}

// whileTorGone has the daemon sleep, so that nobody starts tor again.
func whileTorGone(w *world, send func()) {
	w.one(syscall.SIGSTOP, "tunic", "run")
	w.one(syscall.SIGKILL, "tor")
	send()
	w.one(syscall.SIGCONT, "tunic", "run")
	w.ready()
}

func whileServeRestarts(w *world, send func()) {
	w.one(syscall.SIGKILL, "tunic", "serve")
	send()
	w.ready()
}

// foreignFlush removes all rules, as "iptables -F" in somebody's script does,
// and waits until they are back.
func foreignFlush(w *world) {
	before := w.saveRules().canonical()
	for _, tool := range house.Tools {
		for _, table := range []string{"filter", "nat", "mangle"} {
			w.must("gateway", tool, "-w", "-t", table, "-F")
		}
	}
	took := w.eventually("the rules are back", 30*time.Second, func() bool { return w.saveRules().canonical() == before })
	w.timed("flushed rules to all of them back", took)
}

func steady(_ *world, send func()) { send() }

// whileRenamed gives the household's interface another name, and back. The
// phone stays on line: the rules know the interface by its group.
func whileRenamed(w *world, send func()) {
	w.must("gateway", "ip", "link", "set", "br-lan", "name", "br-new")
	send()
	w.arrives()
	w.must("gateway", "ip", "link", "set", "br-new", "name", "br-lan")
	w.ready()
}

// start starts the daemon and waits until everything works.
func (w *world) start() {
	w.Helper()
	begin := time.Now()
	if _, err := w.lab.StartDaemon("gateway"); err != nil {
		w.Fatal(err)
	}
	w.ready()
	w.timed("start of the daemon to ready", time.Since(begin))
}

func (w *world) stop(s syscall.Signal) {
	w.Helper()
	begin := time.Now()
	w.one(s, "tunic", "run")
	w.eventually("the daemon has ended", 30*time.Second, w.daemonEnded)
	w.timed("end of the daemon after "+s.String(), time.Since(begin))
}

// daemonEnded: no daemon is there, nor the rest of one: a process that was killed has no command line, and still has the
// box's lock, before it is a zombie. It may be another one than the lab has started, after an upgrade.
func (w *world) daemonEnded() bool {
	lock, err := gatewaybox.TakeLock(w.paths())
	if err != nil {
		return false
	}
	lock.Release()
	d, err := w.lab.Daemon("gateway")
	return len(w.pids("tunic", "run")) == 0 && (err != nil || !d.Alive())
}

// turnOn starts the daemon of a household and waits until it is ready.
func (w *world) turnOn(gateway string) {
	w.Helper()
	if _, err := w.lab.StartDaemon(gateway); err != nil {
		w.Fatal(err)
	}
	if err := w.lab.WaitReady(w.ctx, gateway, nil); err != nil {
		w.Fatal(err)
	}
}

// turnOff ends the daemon of a household.
func (w *world) turnOff(gateway string) {
	w.Helper()
	d, err := w.lab.Daemon(gateway)
	if err == nil {
		err = syscall.Kill(d.PID, syscall.SIGTERM)
	}
	if err != nil {
		w.Fatal(err)
	}
	w.eventually(gateway+" is off", 30*time.Second, func() bool { return !d.Alive() })
}

func afterKill(w *world, send func()) {
	w.stop(syscall.SIGKILL)
	send()
	w.start()
}

// boot makes the box as it is early (tunic-lockdown.service): no rules at
// first, then only the closed ones, and no daemon yet.
func boot(w *world) {
	w.stop(syscall.SIGTERM)
	w.must("gateway", "tunic", "teardown", "--yes")
	w.must("gateway", "tunic", "lockdown")
	w.flushConntrack()
}

func bootClosed(w *world, send func()) {
	send()
	w.start()
}

func bootStarting(w *world, send func()) {
	if _, err := w.lab.StartDaemon("gateway"); err != nil {
		w.Fatal(err)
	}
	send()
	w.ready()
}
