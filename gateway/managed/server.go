package managed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"tunic/gateway/supervise"
)

// times of a server's life.
type times struct {
	start      time.Duration // until it answers for the first time
	startEvery time.Duration
	probeEvery time.Duration // all servers are asked at the same moments: each wakes the box
	silent     time.Duration // between probes after one that failed
	probe      time.Duration // for one answer
	stop       time.Duration // to end in order
	look       time.Duration // between looks whether a program that cannot be used was replaced
	pause      time.Duration // of a server that ends again and again before it has answered
}

var usualTimes = times{start: time.Minute, startEvery: 100 * time.Millisecond, probeEvery: time.Minute, silent: time.Second,
	probe: 10 * time.Second, stop: 10 * time.Second, look: 10 * time.Second, pause: 10 * time.Minute}

// maxEarlyEnds in a row, and starting the same server with the same files once
// more will not help.
const maxEarlyEnds = 5

// maxSilences in a row, and it is started again.
const maxSilences = 3

// expendable has a managed server go first when memory runs out, before serve,
// tor and the daemon.
const expendable = 500

// backoff between starts.
var backoff = supervise.Backoff{Min: 250 * time.Millisecond, Max: 10 * time.Second, Healthy: time.Minute}

// server is one Spec being kept true.
type server struct {
	manager *Manager
	name    string
	cancel  context.CancelFunc
	done    chan struct{}
	log     *ring

	mu       sync.Mutex
	spec     Spec
	gone     bool // nobody wants it any more
	process  *supervise.Process
	adopted  *supervise.Process // that run has to go on with
	version  string
	ready    bool
	stale    bool // files have changed since the process was started, and it was too young to be told
	since    time.Time
	restarts int
	early    int    // ends in a row before it had answered
	tried    string // Spec.stamps before the last start: what is replaced during it, such as by an upgrade, is worth another
	err      error
}

// leave ends the server for good. It does not wait.
func (s *server) leave() {
	s.set(func() { s.gone = true })
	s.cancel()
}

func (s *server) leaving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

func (s *server) ended() bool { return closed(s.done) }

func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// adopt takes a new Spec over if that needs no new process, and reports
// whether it did.
func (s *server) adopt(spec Spec) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if spec.Equal(s.spec) {
		return true
	}
	change := needed(s.spec.clone(), spec)
	if change == Restart {
		return false
	}
	s.spec, s.early = spec.clone(), 0
	if s.process == nil {
		return true // what starts next reads all
	}
	err := s.spec.writeAll(s.version)
	if err == nil && change == Reload {
		err = s.reload()
	}
	if err != nil {
		s.err = fmt.Errorf("giving %s its files: %w", s.name, err)
	}
	return err == nil
}

// reload has the process read its files again, once it answers: a signal that
// comes before it is caught ends a process.
func (s *server) reload() error {
	s.stale = !s.ready
	if s.stale {
		return nil
	}
	return s.process.Signal(reloadSignal)
}

// keep runs the server again and again until ctx ends.
func (s *server) keep(ctx context.Context) {
	b := backoff
	b.OnExit = func(err error, _ time.Duration) {
		s.set(func() { s.err = err; s.restarts++ })
		s.manager.Changed()
	}
	_ = supervise.Keep(ctx, s.name, s.manager.Log, b, s.run) // it ends with ctx alone
}

// run is the life of one process.
func (s *server) run(ctx context.Context) error {
	s.mu.Lock()
	spec := s.spec.clone()
	s.mu.Unlock()
	p := s.takeAdopted()
	if p == nil {
		path, err := s.look(ctx, spec)
		if err != nil {
			return err
		}
		if p, err = s.startInPlace(spec, path); err != nil {
			return err
		}
	}
	return s.attend(ctx, p, spec)
}

// startInPlace ends what an earlier daemon may have left, and starts a process.
func (s *server) startInPlace(spec Spec, path string) (*supervise.Process, error) {
	s.manager.starting.Lock()
	defer s.manager.starting.Unlock()
	if err := supervise.EndOrphan(spec.record(), s.manager.times.stop); err != nil {
		return nil, err
	}
	return s.start(spec, path)
}

// record says, for a later daemon, which process runs.
func (s Spec) record() string { return filepath.Join(s.Dir, "pid") }

// attend watches a process until it has ended, or ends it.
func (s *server) attend(ctx context.Context, p *supervise.Process, spec Spec) error {
	defer s.set(func() { s.process, s.ready = nil, false })
	if err := p.Record(spec.record()); err != nil {
		return errors.Join(err, p.Stop(ctx, s.manager.times.stop))
	}
	s.manager.Changed()
	why := s.watch(ctx, p, spec.Probe)
	if err := p.Stop(context.WithoutCancel(ctx), s.manager.times.stop); err != nil {
		return err
	}
	if why != nil {
		return why
	}
	return quiet(p.Err())
}

// start writes the files and starts the process. The lock is held over both, so
// that no newer files are missed.
func (s *server) start(spec Spec, path string) (*supervise.Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spec.Files = s.spec.clone().Files
	if err := spec.prepare(s.version); err != nil {
		return nil, err
	}
	p, err := supervise.Start(supervise.Command{
		Name: s.name, Path: path, Args: spec.Args, SetUser: spec.setUser(), UID: spec.UID, GID: spec.GID,
		Confine: s.manager.Confine, Limits: supervise.Limits{OOMScore: expendable, Memory: spec.Memory},
	}, s.manager.Log, s.log.add)
	if err != nil {
		return nil, err
	}
	s.process, s.since, s.ready, s.stale, s.err = p, time.Now(), false, false, nil
	s.early++ // until it answers
	return p, nil
}

// watch probes the process until it has ended or ctx has, or until it does not
// answer any more, which is the error.
func (s *server) watch(ctx context.Context, p *supervise.Process, probe Probe) error {
	t := s.manager.times
	deadline, wait, silences := time.Now().Add(t.start), t.startEvery, 0
	for {
		timer := time.NewTimer(wait)
		select {
		case <-p.Done():
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil || closed(p.Done()) {
			return nil
		}
		err := s.ask(ctx, probe)
		s.answered(err)
		switch {
		case err == nil:
			wait, silences, deadline = untilNext(t.probeEvery), 0, time.Time{}
		case deadline.IsZero():
			wait, silences = t.silent, silences+1
		}
		if silences >= maxSilences || !deadline.IsZero() && time.Now().After(deadline) {
			return errSilent
		}
	}
}

// began is when the first of the moments was.
var began = time.Now()

// untilNext is how long it takes until the next moment.
func untilNext(every time.Duration) time.Duration {
	return every - time.Since(began)%every
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// answered takes note of what a probe said.
func (s *server) answered(err error) {
	s.mu.Lock()
	changed := s.ready != (err == nil)
	s.ready = err == nil
	if s.ready {
		s.early = 0
	}
	if s.ready && s.stale {
		if err := s.reload(); err != nil {
			s.err = fmt.Errorf("giving %s its files: %w", s.name, err)
		}
	}
	s.mu.Unlock()
	if changed {
		s.manager.Changed()
	}
}

// ask makes one probe.
func (s *server) ask(ctx context.Context, probe Probe) error {
	ctx, cancel := context.WithTimeout(ctx, s.manager.times.probe)
	defer cancel()
	c, err := s.manager.Dial(ctx, "tcp", probe.Addr.String())
	if err != nil {
		return errSilent
	}
	defer c.Close()
	end, _ := ctx.Deadline()
	answer := make([]byte, len(probe.Expect))
	err = c.SetDeadline(end)
	if err == nil {
		_, err = io.WriteString(c, probe.Send)
	}
	if err == nil {
		_, err = io.ReadFull(c, answer)
	}
	if err != nil || string(answer) != probe.Expect {
		return errSilent
	}
	return nil
}

// quiet is how a process ended, without its last words: the error is logged and
// they may name users.
func quiet(err error) error {
	var exit *supervise.ExitError
	if errors.As(err, &exit) && exit.State != nil {
		return fmt.Errorf("%s ended (%s)", exit.Name, exit.State)
	}
	return err
}

func (s *server) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Name: s.name, Version: s.version, Untried: s.spec.Version.untried(s.version), Ready: s.ready,
		Restarts: s.restarts, Err: s.err}
	if s.process != nil {
		st.PID, st.Since = s.process.PID(), s.since
	}
	return st
}
