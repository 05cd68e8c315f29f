package managed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// EarlyError says that a server ended again and again before it had answered.
type EarlyError struct {
	Name string
	Ends int   // in a row
	Last error // how it ended
}

func (e *EarlyError) Error() string {
	return fmt.Sprintf("%s ended %d times in a row before it answered (%v): `tunic logs %s` has its last words; "+
		"it is tried again when its program or configuration changes, and now and then",
		e.Name, e.Ends, e.Last, e.Name)
}

// Unwrap returns how it ended the last time.
func (e *EarlyError) Unwrap() error { return e.Last }

// look finds the program. One that is missing or too old is not asked again
// before it has changed, and one that always ends at once rests.
func (s *server) look(ctx context.Context, spec Spec) (string, error) {
	s.pause(ctx, spec)
	for ctx.Err() == nil {
		stamps := spec.stamps()
		s.set(func() { s.tried = stamps })
		path, version, err := spec.find(ctx)
		s.set(func() { s.version = version })
		if !errors.As(err, new(*MissingError)) && !errors.As(err, new(*VersionError)) {
			return path, err
		}
		s.set(func() { s.err = err })
		s.manager.Changed()
		s.wait(ctx, func() bool { return spec.stamps() != stamps })
	}
	return "", ctx.Err()
}

// pause waits while another start would only end like the ones before.
func (s *server) pause(ctx context.Context, spec Spec) {
	s.mu.Lock()
	tired, tried := s.early >= maxEarlyEnds, s.tried
	if tired {
		s.err = &EarlyError{s.name, s.early, s.err}
	}
	s.mu.Unlock()
	if !tired {
		return
	}
	s.manager.Changed()
	until := time.Now().Add(s.manager.times.pause)
	s.wait(ctx, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.early == 0 || time.Now().After(until) || spec.stamps() != tried
	})
}

// wait looks now and then until something has changed or ctx ends.
func (s *server) wait(ctx context.Context, changed func() bool) {
	tick := time.NewTicker(s.manager.times.look)
	defer tick.Stop()
	for !changed() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
