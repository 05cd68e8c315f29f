package smtp

import (
	"sync"
	"time"
)

// A device may get a password wrong this often in this time.
const (
	maxFailures  = 10
	failureReset = 10 * time.Minute
)

var errThrottled = refuse(454, 4, 7, 0, "too many wrong passwords from this device: try again in ten minutes")

// throttle slows those down who guess passwords.
type throttle struct {
	mu    sync.Mutex
	tries map[string]*tries
}

type tries struct {
	count int
	since time.Time
}

// check refuses a device that has guessed too often.
func (t *throttle) check(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, f := range t.tries {
		if time.Since(f.since) > failureReset {
			delete(t.tries, k)
		}
	}
	if f := t.tries[id]; f != nil && f.count >= maxFailures {
		return errThrottled
	}
	return nil
}

// fail counts a wrong password.
func (t *throttle) fail(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tries == nil {
		t.tries = make(map[string]*tries)
	}
	if t.tries[id] == nil {
		t.tries[id] = &tries{since: time.Now()}
	}
	t.tries[id].count++
}
