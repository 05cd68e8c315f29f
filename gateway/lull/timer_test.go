package lull

import (
	"errors"
	"os"
	"testing"
	"time"
)

func newTimer(t *testing.T) *Timer {
	t.Helper()
	timer, err := NewTimer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { timer.Close() })
	return timer
}

// waits returns how long a Wait took.
func waits(t *testing.T, timer *Timer, d time.Duration) time.Duration {
	t.Helper()
	begin := time.Now()
	if err := timer.Wait(d); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

// A timer waits each time as long as it is asked to, and not at all if that is nothing.
func TestTimerWaits(t *testing.T) {
	timer := newTimer(t)
	for _, d := range []time.Duration{30 * time.Millisecond, 0, -time.Second, 50 * time.Millisecond, time.Millisecond} {
		if took := waits(t, timer, d); took < d || took > d+30*time.Second {
			t.Errorf("%v for %v", took, d)
		}
	}
}

// Who wakes it ends one Wait, that which is under way or the next one, and no other.
func TestTimerIsWoken(t *testing.T) {
	timer := newTimer(t)
	begin := time.Now()
	time.AfterFunc(20*time.Millisecond, timer.Wake)
	waits(t, timer, time.Minute)
	if took := time.Since(begin); took < 10*time.Millisecond || took > 30*time.Second {
		t.Errorf("it was woken after %v", took)
	}
	if took := waits(t, timer, 30*time.Millisecond); took < 30*time.Millisecond {
		t.Errorf("it was woken once, and the second Wait took %v", took)
	}
	timer.Wake()
	timer.Wake()
	if took := waits(t, timer, time.Minute); took > 30*time.Second {
		t.Errorf("it was woken before, and waited for %v", took)
	}
	if took := waits(t, timer, 30*time.Millisecond); took < 30*time.Millisecond {
		t.Errorf("the Wait after that took %v", took)
	}
}

func TestCloseEndsAWait(t *testing.T) {
	timer, ended := newTimer(t), make(chan error, 1)
	go func() { ended <- timer.Wait(time.Hour) }()
	time.Sleep(20 * time.Millisecond) // it waits, most likely
	if err := timer.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a Wait outlives its timer")
	}
	if err := timer.Wait(time.Hour); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	timer.Wake() // is no harm
}
