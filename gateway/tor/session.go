package tor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tunic/gateway/supervise"
)

const (
	socketWait  = 2 * time.Minute        // for a process to open its control socket; slow flash needs most of it
	socketPoll  = 100 * time.Millisecond // between two looks
	stopGrace   = 15 * time.Second       // for a clean end, after which it is killed
	exitWait    = 2 * time.Second        // for the exit status, once the control connection broke
	processName = "tor"
)

// session is the life of one tor process.
type session struct {
	proc     *supervise.Process
	version  Version // of the process, whatever the binary is by now
	commands *controller
	events   *controller
	hide     func(string) string

	// What is given to the process bit by bit, under Tor.applying.
	has    map[string]bool // the directories of the onions that it has
	gaveAt time.Time       // when it was given the last ones
	gives  chan struct{}   // has room for one: there is news
}

// startProcess starts tor. It follows this process into death by itself: see owned.
// A tor that an earlier daemon left behind holds the ports: it is ended first.
func (t *Tor) startProcess(s Spec, v Version) (*supervise.Process, error) {
	if err := supervise.EndOrphan(s.record(), stopGrace); err != nil {
		return nil, err
	}
	if err := prepare(s); err != nil {
		return nil, err
	}
	if err := writeTorrc(s, s.Torrc, owned(Render(s.share(nil), v))); err != nil {
		return nil, err
	}
	c := s.command(processName, "-f", s.Torrc, "--defaults-torrc", s.defaultsFile())
	c.Confine = t.confine
	proc, err := supervise.Start(c, t.log, t.says(s))
	if err != nil {
		return nil, err
	}
	if err := proc.Record(s.record()); err != nil {
		t.log.Warn("a later daemon will have to wait for this tor if this one is killed", "error", err)
	}
	return proc, nil
}

// says takes the lines that tor prints.
func (t *Tor) says(s Spec) func(line string) {
	hide := s.hider()
	return func(line string) { t.log.Debug("tor says", "line", hide(line)) }
}

// connect waits for the control socket and makes both connections.
func connect(ctx context.Context, proc *supervise.Process, spec Spec) (*session, error) {
	socket, hide := spec.controlSocket(), spec.hider()
	ctx, cancel := context.WithTimeout(ctx, socketWait)
	defer cancel()
	tick := time.NewTicker(socketPoll)
	defer tick.Stop()
	for {
		commands, err := dialControl(ctx, socket, spec.cookie(), proc.PID())
		if err == nil {
			s := &session{proc: proc, commands: commands, hide: hide, gives: make(chan struct{}, 1)}
			s.gave(spec.share(nil))
			if s.events, err = dialControl(ctx, socket, spec.cookie(), proc.PID()); err != nil {
				commands.close()
				return nil, err
			}
			return s, nil
		}
		select {
		case <-proc.Done():
			return nil, ending(proc, hide)
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for tor's control socket: %w (%w)", err, ctx.Err())
		case <-tick.C:
		}
	}
}

// begin subscribes to the events, then asks for the state that they change:
// in this order nothing is missed.
func (s *session) begin(t *tracker) error {
	if _, err := s.events.command("SETEVENTS " + eventNames); err != nil {
		return fmt.Errorf("subscribing to tor's events: %w", err)
	}
	phase, err := s.commands.getInfo("status/bootstrap-phase")
	if err != nil {
		return err
	}
	live, err := s.commands.getInfo("network-liveness")
	if err != nil {
		return err
	}
	established, err := s.commands.getInfo("status/circuit-established")
	if err != nil {
		return err
	}
	t.event("STATUS_CLIENT " + phase) // the last event, word by word
	t.update(func(st *Status) {
		st.Running, st.Live, st.Circuits = true, live == "up", established == "1"
	})
	return nil
}

// follow hands on events until the process ends (it says how), a control
// connection breaks, or ctx ends.
func (s *session) follow(ctx context.Context, event func(line string)) error {
	broken := make(chan error, 1)
	s.events.pause.rest()
	go func() {
		for {
			line, err := s.events.nextEvent()
			if err != nil {
				broken <- err
				return
			}
			event(line)
		}
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.proc.Done():
		return ending(s.proc, s.hide)
	case err := <-broken:
		// Usually because the process is just ending.
		select {
		case <-s.proc.Done():
			return ending(s.proc, s.hide)
		case <-time.After(exitWait):
			return err
		}
	}
}

// close ends both connections; the goroutine that reads events ends with them.
func (s *session) close() {
	s.commands.close()
	s.events.close()
}

// ending is the error for a process that ended by itself, in words without
// what hide takes out.
func ending(p *supervise.Process, hide func(string) string) error {
	var exit *supervise.ExitError
	if !errors.As(p.Err(), &exit) {
		return errors.New("tor ended by itself, with exit status 0")
	}
	short := *exit
	short.Tail = complaints(exit.Tail)
	if n := len(exit.Tail); len(short.Tail) == 0 && n > 0 {
		short.Tail = exit.Tail[n-1:] // such as what the C library says when it aborts
	}
	short.Tail = slices.Clone(short.Tail)
	for i, line := range short.Tail {
		short.Tail[i] = hide(line)
	}
	return &short
}

// listening compares where tor listens with where s wants it to, and returns
// the first difference in words, or "".
func (s *session) listening(spec Spec) (string, error) {
	wanted := append(spec.listeners(), listener{
		option: "ControlSocket", kind: "control", addrs: []string{unixPrefix + spec.controlSocket()},
	})
	for _, l := range wanted {
		value, err := s.commands.getInfo("net/listeners/" + l.kind)
		if err != nil {
			return "", err
		}
		have, err := splitWords(value)
		if err != nil {
			return "", err
		}
		if !sameSet(have, l.addrs) {
			return fmt.Sprintf("%s listens on %q instead of %q", l.option, have, l.addrs), nil
		}
	}
	return "", nil
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
