package tor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"tunic/gateway/supervise"
)

// adoptWait bounds how long an adopted tor may take to answer on its control socket,
// on which it has answered a moment ago.
const adoptWait = 20 * time.Second

// errNotAnswering is the error of Hand while a process that is wished does not run, or
// not yet.
var errNotAnswering = errors.New("tor is being started")

// Handed is what another daemon needs to go on with a running tor. Its JSON holds
// secrets of the Spec.
type Handed struct {
	Process supervise.Handed
	Version Version
	Spec    Spec
	Has     []string // the directories of the onions that the process was given
	Status  Status   // without what is in the fields below

	Starts  int
	Holders map[string]map[string]time.Time // by onion: see directories
	Out     map[string]bool                 // onions that visitors find
}

// adopted is a process that another daemon has started.
type adopted struct {
	Handed
	proc *supervise.Process
}

// Hand returns what the daemon needs that takes this one's place, and where tor's
// output is read from. There is none if no process is wished. From then on nothing
// is done to tor, until TakeBack, also after an error, or the end of this process.
func (t *Tor) Hand() (*Handed, *os.File, error) {
	t.applying.Lock() // until TakeBack
	t.mu.Lock()
	s, wished := t.session, t.wished
	t.mu.Unlock()
	if !wished {
		return nil, nil, nil
	}
	if s == nil {
		return nil, nil, errNotAnswering
	}
	process, out, err := s.proc.Hand()
	if err != nil {
		return nil, nil, err
	}
	h := &Handed{Process: process, Version: s.version, Spec: t.current(), Has: slices.Sorted(maps.Keys(s.has)), Status: t.Status()}
	t.tracker.hand(h)
	return h, out, nil
}

// TakeBack ends what Hand began: tor belongs to this daemon as before, whatever the
// other one has done to it.
func (t *Tor) TakeBack(ctx context.Context) error {
	defer t.applying.Unlock()
	t.mu.Lock()
	s := t.session
	t.mu.Unlock()
	if s == nil {
		return nil // it has ended, and Serve starts another
	}
	spec := t.current()
	err := writeKeys(spec)
	if err == nil {
		err = s.commands.loadConf(owned(Render(spec.share(s.has), s.version)))
	}
	if err == nil {
		err = writeTorrc(spec, spec.Torrc, owned(Render(spec, s.version)))
	}
	if err != nil && ctx.Err() == nil {
		t.restartNow()
		return fmt.Errorf("taking tor back: %w", err)
	}
	return nil
}

// Adopt has Serve go on with a tor that another daemon has started, instead of
// starting one. It comes before Serve and Apply. out is tor's output, and t's.
func (t *Tor) Adopt(h Handed, out *os.File) error {
	proc, err := supervise.Adopt(processName, h.Process, out, t.log, t.says(h.Spec))
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.adopted = &adopted{h, proc}
	t.mu.Unlock()
	t.dialers.seen = slices.Clone(h.Status.OverTor)
	t.accept(h.Spec)
	return nil
}

// AwaitAdopted waits until the adopted tor answers, if there is one.
func (t *Tor) AwaitAdopted(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, adoptWait)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		t.mu.Lock()
		wished, there := t.wished, t.session != nil
		t.mu.Unlock()
		if there || !wished {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the tor that runs: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// Own makes tor follow this process into death, and the one that started it no
// more (see owned).
func (t *Tor) Own() error {
	t.mu.Lock()
	s := t.session
	t.mu.Unlock()
	if s == nil {
		return nil
	}
	if _, err := s.commands.command("SETCONF " + ownerAssignment()); err != nil {
		return fmt.Errorf("making tor this daemon's: %w", err)
	}
	spec := t.current()
	return writeTorrc(spec, spec.Torrc, owned(Render(spec, s.version)))
}

// takeAdopted returns the process that is to be adopted, once.
func (t *Tor) takeAdopted() *adopted {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.adopted
	t.adopted = nil
	return a
}

// liveOn is the rest of the life of an adopted process.
func (t *Tor) liveOn(ctx context.Context, a *adopted) error {
	t.reset()
	t.tracker.adopt(a.Handed)
	if err := a.proc.Record(a.Spec.record()); err != nil {
		t.log.Warn("a later daemon will have to wait for this tor if this one is killed", "error", err)
	}
	err := t.attend(ctx, a.proc, a.Spec, a.Version, a.Has)
	return errors.Join(err, a.proc.Stop(context.WithoutCancel(ctx), stopGrace))
}

// hand adds to h what only the tracker knows.
func (t *tracker) hand(h *Handed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h.Starts, h.Out = t.starts, make(map[string]bool)
	h.Holders = make(map[string]map[string]time.Time)
	for onion, taken := range t.status.holders {
		h.Holders[onion] = maps.Clone(taken)
	}
	for onion := range t.status.Onions {
		h.Out[onion] = t.status.ways[onion].done(time.Now())
	}
}

// adopt begins with what an earlier daemon knew of the process.
func (t *tracker) adopt(h Handed) {
	t.update(func(s *Status) {
		*s = h.Status
		s.PID, s.Version = h.Process.PID, h.Version.String()
		s.OverTor, s.Full, s.Running = nil, nil, false // which others know; until it answers
		t.starts = h.Starts
		s.holders, s.ways = make(directories), make(map[string]*uploads)
		maps.Copy(s.holders, h.Holders)
		for onion, out := range h.Out {
			first := s.Onions[onion].At
			s.ways[onion] = &uploads{first: first, out: out}
		}
		if s.Onions == nil {
			s.Onions = make(map[string]Descriptor)
		}
		keepOnions(s, h.Spec.Onions)
	})
}
