package tor

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"tunic/gateway/device"
	"tunic/gateway/supervise"
)

// Options are what a Tor needs beside its Spec.
type Options struct {
	Log *slog.Logger // required

	// Changed, if set, is called after each change of the Status. It must not
	// block: the next event waits for it.
	Changed func()

	// Told, if set, is called in the place of Changed after changes that come many at
	// a time and on which nothing depends but what people are shown: of descriptors,
	// attempts to reach relays, and devices that do what they should not.
	Told func()

	Confine []string // see supervise.Command

	// Devices tells which device an address belongs to, for what each may have of
	// TransPort; nil: those of a network are one.
	Devices *device.Table
}

// Tor owns one tor process. Make it with New. Serve must run once; Apply and
// Status may be called from any goroutine, before and while it runs.
type Tor struct {
	log     *slog.Logger
	confine []string
	tracker *tracker
	dialers dialers
	users   users
	crowd   *crowd

	meetings meetings
	silences silences

	applying sync.Mutex // one Apply at a time

	mu      sync.Mutex
	spec    Spec               // the last one accepted
	wished  bool               // spec is set
	asked   *Spec              // by the last Apply, and is spec; nil: that went wrong, or it was changed since
	wish    chan struct{}      // closed when spec is set
	session *session           // nil while no process answers
	adopted *adopted           // that Serve has to go on with
	restart context.CancelFunc // ends the current process, for Serve to start another; never nil
}

// New returns a Tor without a process. It wants nothing before Apply.
func New(o Options) *Tor {
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Told == nil {
		o.Told = o.Changed
	}
	if o.Devices == nil {
		o.Devices = new(device.Table)
	}
	return &Tor{
		log:     o.Log,
		confine: o.Confine,
		tracker: &tracker{changed: o.Changed, told: o.Told},
		wish:    make(chan struct{}),
		restart: func() {},
		crowd:   newCrowd(o.Devices, o.Changed),
	}
}

// Status returns what is known now.
func (t *Tor) Status() Status {
	s := t.tracker.snapshot()
	s.OverTor = t.dialers.list(time.Now())
	s.Full = t.crowd.fullDevices()
	return s
}

// Serve waits for the first Apply, then keeps a tor process running at the
// last state that was accepted; after a Stop it waits for the next Apply. It
// returns ctx.Err() once ctx has ended and the process is gone; no failure of
// tor ends it.
func (t *Tor) Serve(ctx context.Context) error {
	backoff := supervise.Backoff{Min: time.Second, Max: time.Minute, Healthy: time.Minute}
	for t.wanted(ctx) {
		runCtx, cancel := context.WithCancel(ctx)
		if !t.setRestart(cancel) { // a Stop came between
			cancel()
			continue
		}
		// It ends when ctx does, or when Apply wants another process, which
		// then has not to wait for the pause after a failure. No error of
		// run is fatal, so there is no other end.
		_ = supervise.Keep(runCtx, processName, t.log, backoff, t.run)
		cancel()
	}
	return ctx.Err()
}

// run is the life of one process, from start to its last moment.
func (t *Tor) run(ctx context.Context) error {
	err := t.live(ctx)
	if ctx.Err() != nil {
		t.tracker.ended(nil) // it was asked to
	} else {
		t.tracker.ended(err)
	}
	return err
}

func (t *Tor) live(ctx context.Context) error {
	if a := t.takeAdopted(); a != nil {
		return t.liveOn(ctx, a)
	}
	t.applying.Lock() // none is started while another daemon has the one that was there
	spec := t.current()
	t.applying.Unlock()
	version, err := FindVersion(ctx, spec.Binary)
	if err != nil {
		return err
	}
	proc, err := t.startProcess(spec, version)
	if err != nil {
		return err
	}
	t.reset()
	t.tracker.started(proc.PID(), version, spec.Onions)
	err = t.attend(ctx, proc, spec, version, nil)
	// ctx may have ended, and the end in order takes its time nevertheless.
	return errors.Join(err, proc.Stop(context.WithoutCancel(ctx), stopGrace))
}

// reset forgets the streams of another process.
func (t *Tor) reset() {
	t.users.reset()
	t.meetings.reset()
	t.silences.reset()
	t.crowd.reset()
}

// attend follows a process, which has been given the onions with those directories,
// or nil: the first batch.
func (t *Tor) attend(ctx context.Context, proc *supervise.Process, spec Spec, version Version, has []string) error {
	s, err := connect(ctx, proc, spec)
	if err != nil {
		return err
	}
	defer s.close()
	s.version = version
	if has != nil {
		s.has = setOf(has)
	}
	if err := s.begin(t.tracker); err != nil {
		return err
	}
	t.log.Info("tor runs", "pid", proc.PID(), "version", t.Status().Version)
	t.setSession(s)
	defer t.setSession(nil)
	return t.follow(ctx, s)
}

// follow takes the events of a process until it ends, and knows the relays.
func (t *Tor) follow(ctx context.Context, s *session) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer s.close() // a command that waits for its answer ends with the connection
	defer cancel()
	group.Go(func() { t.addHeldBack(ctx, s) })
	group.Go(func() { t.endStreams(ctx, s) })
	if !t.current().SingleHop { // no device uses it
		group.Go(func() { s.learnRelays(ctx, t.log, t.dialers.learn) })
	}
	doubt := func(circuit string) { t.doubt(ctx, circuit) }
	vain := func(circuit string) { t.endWaits(ctx, []string{circuit}) }
	return s.follow(ctx, func(line string) {
		switch kind, _, _ := strings.Cut(line, " "); kind {
		case "STREAM":
			t.users.event(line, time.Now())
			t.crowd.event(line)
			t.silences.event(line, doubt)
			if t.dialers.event(line, time.Now()) {
				t.tracker.told()
			}
		case "CIRC_MINOR":
			t.meetings.event(line, t.fetchDescriptor, vain)
		case "CIRC_BW":
			t.silences.event(line, doubt)
		default:
			t.tracker.event(line)
		}
	})
}

func (t *Tor) current() Spec {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spec.Clone()
}

func (t *Tor) setSession(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = s
}

// setRestart reports whether a process is still wanted: from here on a Stop
// calls restart.
func (t *Tor) setRestart(restart context.CancelFunc) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restart = restart
	return t.wished
}
