package account

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

// A device may get a password wrong MaxFailures times in ten minutes.
const (
	MaxFailures  = 10
	failureReset = 10 * time.Minute
)

// Errors of a Throttle.
var (
	ErrThrottled = errors.New("too many wrong passwords from this device: try again in ten minutes")
	ErrGuessed   = errors.New("too many wrong passwords for this account: try again in ten minutes")
)

// MaxAccountFailures is what an account has of them: one that many devices guess at is slow for those that have not logged
// in to it before: a device has as many addresses as it likes.
const MaxAccountFailures = 5 * MaxFailures

// Throttle slows those down who guess passwords. Its zero value knows nobody, and keeps
// nothing; it is for any number of goroutines.
type Throttle struct {
	mu    sync.Mutex
	file  string // of known; "" keeps nothing
	tries map[string]*tries
	known map[string][]string // the devices that have logged in to an account, the latest to do so last
}

// maxKnown bounds what is remembered for an account, of which each user has one.
const maxKnown = 16

// Load reads who has logged in before, so that nobody who guesses at an account
// keeps its own devices out after a restart. What cannot be read is forgotten.
func (t *Throttle) Load(file string) error {
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

// Check refuses a device that has guessed too often.
func (t *Throttle) Check(id string) error {
	if t.over(id, MaxFailures) {
		return ErrThrottled
	}
	return nil
}

// CheckAccount refuses an account at which too many have guessed, but not those
// who know its password already.
func (t *Throttle) CheckAccount(name, id string) error {
	t.mu.Lock()
	known := slices.Contains(t.known[name], id)
	t.mu.Unlock()
	if !known && t.over(ofAccount(name), MaxAccountFailures) {
		return ErrGuessed
	}
	return nil
}

// ofAccount is an account's name among devices, which are called by addresses.
func ofAccount(name string) string { return "account " + name }

// Enter notes that a device knows a password. One more of an account's pushes
// out the one that has not logged in for longest.
func (t *Throttle) Enter(name, id string) error {
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
func (t *Throttle) save() error {
	if t.file == "" {
		return nil
	}
	text, err := json.Marshal(t.known)
	if err != nil {
		return err
	}
	return durable.Write(t.file, append(text, '\n'), 0o600)
}

func (t *Throttle) over(id string, limit int) bool {
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

// FailAccount counts a wrong password for an account.
func (t *Throttle) FailAccount(name string) { t.Fail(ofAccount(name)) }

// maxTries bounds of how many devices and accounts is counted; the one that began first
// is forgotten for one more.
const maxTries = 4096

// Fail counts a wrong password of a device.
func (t *Throttle) Fail(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tries == nil {
		t.tries = make(map[string]*tries)
	}
	if t.tries[id] == nil {
		t.makeRoom()
		t.tries[id] = &tries{since: time.Now()}
	}
	t.tries[id].count++
}

func (t *Throttle) makeRoom() {
	if len(t.tries) < maxTries {
		return
	}
	var first string
	for id, f := range t.tries {
		if first == "" || f.since.Before(t.tries[first].since) {
			first = id
		}
	}
	delete(t.tries, first)
}
