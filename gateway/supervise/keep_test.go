package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeepPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		// The run time of each call; the fourth is a healthy one.
		runs := []time.Duration{0, 0, 0, time.Minute, 0, 0}
		limits := []time.Duration{1, 2, 4, 1, 2}
		var pauses []time.Duration
		var log bytes.Buffer
		calls := 0
		err := Keep(ctx, "thing", slog.New(slog.NewTextHandler(&log, nil)), Backoff{
			Min: time.Second, Max: 5 * time.Second, Healthy: time.Minute,
			OnExit: func(err error, pause time.Duration) {
				if err == nil || err.Error() != fmt.Sprint("run ", calls) {
					t.Errorf("exit %d reported as %v", calls, err)
				}
				pauses = append(pauses, pause)
			},
		}, func(context.Context) error {
			calls++
			if calls > len(limits) {
				cancel()
			}
			time.Sleep(runs[calls-1])
			return fmt.Errorf("run %d", calls)
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Keep = %v", err)
		}
		if len(pauses) != len(limits) {
			t.Fatalf("pauses %v", pauses)
		}
		for i, pause := range pauses {
			if top := limits[i] * time.Second; pause < top/2 || pause > top {
				t.Errorf("pause %d is %v, want between %v and %v", i, pause, top/2, top)
			}
		}
		// Only the first failure and the one after the healthy run are warnings.
		if n := strings.Count(log.String(), "level=WARN"); n != 2 || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("log:\n%s", &log)
		}
	})
}

func TestKeepPauseHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		longest := time.Duration(0)
		b := Backoff{Min: time.Second, Max: 5 * time.Second, Healthy: time.Minute,
			OnExit: func(_ error, pause time.Duration) { longest = max(longest, pause) }}
		err := Keep(ctx, "thing", quiet(), b, func(context.Context) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) || longest > 5*time.Second || longest < 4*time.Second {
			t.Errorf("Keep = %v, longest pause %v", err, longest)
		}
	})
}

func TestKeepGivesUp(t *testing.T) {
	calls := 0
	err := Keep(t.Context(), "thing", quiet(), Backoff{Min: time.Hour, Max: time.Hour}, func(context.Context) error {
		calls++
		return fmt.Errorf("reading the licence: %w", ErrFatal)
	})
	if !errors.Is(err, ErrFatal) || calls != 1 {
		t.Errorf("Keep = %v after %d calls", err, calls)
	}
}

func TestKeepEndsInThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		started := time.Now()
		err := Keep(ctx, "thing", quiet(), Backoff{Min: time.Hour, Max: time.Hour}, func(context.Context) error {
			return errors.New("no")
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != time.Minute {
			t.Errorf("Keep = %v after %v", err, time.Since(started))
		}
	})
}
