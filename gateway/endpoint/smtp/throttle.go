package smtp

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"tunic/gateway/durable"
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
	file  string // of known; "" keeps nothing
	tries map[string]*tries
	known map[string][]string // the devices that have logged in to an account, the latest to do so last
}

// maxKnown bounds what is remembered for an account, of which each user has one.
const maxKnown = 16

// load reads who has logged in before, so that nobody who guesses at an account
// keeps its own devices out after a restart. What cannot be read is forgotten.
func (t *throttle) load(file string) error {
	t.file = file
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &t.known)
	}
	return err
}

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
	known := slices.Contains(t.known[name], id)
	t.mu.Unlock()
	if !known && t.over(ofAccount(name), maxAccountFailures) {
		return errGuessed
	}
	return nil
}

// ofAccount is an account's name among devices, which are called by addresses.
func ofAccount(name string) string { return "account " + name }

// enter notes that a device knows a password. One more of an account's pushes
// out the one that has not logged in for longest.
func (t *throttle) enter(name, id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.known[name]
	if n := len(all); n > 0 && all[n-1] == id {
		return nil
	}
	if t.known == nil {
		t.known = make(map[string][]string)
	}
	all = append(slices.DeleteFunc(all, func(other string) bool { return other == id }), id)
	t.known[name] = all[max(0, len(all)-maxKnown):]
	return t.save()
}

// save writes who has logged in.
func (t *throttle) save() error {
	if t.file == "" {
		return nil
	}
	text, err := json.Marshal(t.known)
	if err != nil {
		return err
	}
	return durable.Write(t.file, append(text, '\n'), 0o600)
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
