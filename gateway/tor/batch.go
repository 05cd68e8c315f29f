package tor

import (
	"context"
	"slices"
	"time"
)

// tor uploads both descriptors of each onion to eight directories at once, by a
// circuit each, and looks through all its circuits for each of these streams
// whenever something happens: with 50 onions at once tor 0.4.9 answers nobody for
// minutes, no device either. So it is given some onions at a time.
const (
	batch     = 8
	batchWait = 20 * time.Second // for the ones before, whose uploads may fail
	batchPoll = 250 * time.Millisecond
)

// share returns s with those of its onions that are in the set of directories,
// and a batch of the others.
func (s Spec) share(has map[string]bool) Spec {
	s = s.Clone()
	room := batch
	s.Onions = slices.DeleteFunc(s.Onions, func(o Onion) bool {
		if has[o.Dir] {
			return false
		}
		room--
		return room < 0
	})
	return s
}

// dirs is the set of the directories of the onions.
func (s Spec) dirs() map[string]bool {
	set := make(map[string]bool, len(s.Onions))
	for _, o := range s.Onions {
		set[o.Dir] = true
	}
	return set
}

// setOf is the set of some directories.
func setOf(dirs []string) map[string]bool {
	set := make(map[string]bool, len(dirs))
	for _, dir := range dirs {
		set[dir] = true
	}
	return set
}

// gave notes which onions the process has now. Whoever calls it holds
// Tor.applying.
func (s *session) gave(spec Spec) {
	s.has, s.gaveAt = spec.dirs(), time.Now()
	select {
	case s.gives <- struct{}{}:
	default:
	}
}

// addHeldBack gives the process the onions that were held back, until ctx ends.
func (t *Tor) addHeldBack(ctx context.Context, s *session) {
	for ctx.Err() == nil {
		if t.giveSome(ctx, s) {
			select {
			case <-ctx.Done():
			case <-s.gives:
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(batchPoll):
		}
	}
}

// giveSome gives the next batch if it is time for it, and reports whether the
// process has all onions. What tor refuses is left to the next Apply.
func (t *Tor) giveSome(ctx context.Context, s *session) (all bool) {
	t.applying.Lock()
	defer t.applying.Unlock()
	spec := t.current()
	if ctx.Err() != nil || !slices.ContainsFunc(spec.Onions, func(o Onion) bool { return !s.has[o.Dir] }) {
		return true
	}
	if !t.out(spec, s.has) && time.Since(s.gaveAt) < batchWait {
		return false
	}
	more := spec.share(s.has)
	if err := s.commands.loadConf(owned(Render(more, s.version))); err != nil {
		t.log.Warn("tor did not take all onions", "error", err)
		return true
	}
	s.gave(more)
	return false
}

// out reports whether visitors find all onions that the process has.
func (t *Tor) out(spec Spec, has map[string]bool) bool {
	known := t.tracker.snapshot().Onions
	return !slices.ContainsFunc(spec.Onions, func(o Onion) bool {
		return has[o.Dir] && !o.nobodys() && !known[o.Address].Out
	})
}
