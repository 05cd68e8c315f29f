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

// An account that many devices guess at is slow for those that have not logged
// in to it before: a device has as many addresses as it likes.
const maxAccountFailures = 5 * maxFailures

var errGuessed = refuse(454, 4, 7, 0, "too many wrong passwords for this account: try again in ten minutes")

// throttle slows those down who guess passwords.
type throttle struct {
	mu    sync.Mutex
	tries map[string]*tries
	known map[pair]bool // who has logged in
}

// pair is a device that has logged in to an account.
type pair struct{ account, id string }

// maxKnown bounds what is remembered of them.
const maxKnown = 4096

type tries struct {
	count int
	since time.Time
}

// check refuses a device that has guessed too often.
func (t *throttle) check(id string) error {
	if t.over(id, maxFailures) {
		return errThrottled
	}
	return nil
}

// checkAccount refuses an account at which too many have guessed, but not those
// who know its password already.
func (t *throttle) checkAccount(name, id string) error {
	t.mu.Lock()
	known := t.known[pair{name, id}]
	t.mu.Unlock()
	if !known && t.over(ofAccount(name), maxAccountFailures) {
		return errGuessed
	}
	return nil
}

// ofAccount is an account's name among devices, which are called by addresses.
func ofAccount(name string) string { return "account " + name }

// enter notes that a device knows a password. Of very many all are forgotten.
func (t *throttle) enter(name, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil || len(t.known) > maxKnown {
		t.known = make(map[pair]bool)
	}
	t.known[pair{name, id}] = true
}

func (t *throttle) over(id string, limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, f := range t.tries {
		if time.Since(f.since) > failureReset {
			delete(t.tries, k)
		}
	}
	f := t.tries[id]
	return f != nil && f.count >= limit
}

// fail counts a wrong password, of a device or an account.
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
