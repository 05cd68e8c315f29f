package supervise

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// ErrFatal is wrapped by errors after which running again cannot help. Keep
// gives up and returns them.
var ErrFatal = errors.New("not to be restarted")

// Backoff says when Keep runs something again.
type Backoff struct {
	Min     time.Duration // pause after a first failure
	Max     time.Duration // the pause doubles with each failure up to this
	Healthy time.Duration // a run that lasted this long makes the next failure a first one

	// OnExit, if set, is told of each run that ended and of the pause that
	// follows, before the pause. It must not block.
	OnExit func(err error, pause time.Duration)
}

// Keep calls run again and again, until ctx ends (it returns ctx.Err()) or run
// returns an error that wraps ErrFatal (it returns that error). A run that
// returns nil is run again like any other: a service has no other end than
// these two.
//
// Each pause is shortened by up to half at random, so that several services do
// not fail in step. The first failure in a row is logged as a warning, the
// ones that follow at debug.
func Keep(ctx context.Context, name string, log *slog.Logger, b Backoff, run func(context.Context) error) error {
	level := slog.LevelWarn
	for pause := b.Min; ; pause = min(2*pause, b.Max) {
		started := time.Now()
		err := run(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrFatal):
			return err
		}
		if time.Since(started) >= b.Healthy {
			pause, level = b.Min, slog.LevelWarn
		}
		jittered := jitter(pause)
		log.Log(ctx, level, "service ended, it will run again", "service", name, "err", err, "pause", jittered)
		level = slog.LevelDebug
		if b.OnExit != nil {
			b.OnExit(err, jittered)
		}
		if !sleep(ctx, jittered) {
			return ctx.Err()
		}
	}
}

// jitter returns a duration between half of d and d.
func jitter(d time.Duration) time.Duration {
	return d - rand.N(d/2+1)
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
