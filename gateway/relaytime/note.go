package relaytime

import (
	"encoding/json"
	"fmt"
	"time"

	"tunic/gateway/durable"
	"tunic/gateway/untrusted"
)

// Note is what the last question led to, for other processes. It goes with the
// machine's start: it belongs into a directory that is empty after a reboot.
type Note struct {
	Start time.Time     `json:"start"`    // the time at which the machine started
	Error time.Duration `json:"error"`    // how wrong that was, in nanoseconds
	Count int           `json:"count"`    // relays that said so
	Asked int           `json:"asked"`    // of so many
	Boot  time.Duration `json:"asked_at"` // after the start, in nanoseconds
}

// drift is how far a bad crystal goes wrong in a second while nothing corrects it.
const drift = 50 * time.Microsecond

// fresh is how long a note is good for. Whoever asks twice a day has one always.
const fresh = 26 * time.Hour

// Now is the time so long after the machine's start.
func (n Note) Now(boot time.Duration) time.Time { return n.Start.Add(boot) }

// MaxError is how wrong Now is at most.
func (n Note) MaxError(boot time.Duration) time.Duration {
	return n.Error + time.Duration((boot-n.Boot).Seconds()*float64(drift))
}

// Fresh reports whether the note is good for anything so long after the start.
func (n Note) Fresh(boot time.Duration) bool {
	return n.Count > 0 && boot >= n.Boot && boot-n.Boot < fresh
}

// Write keeps the note in a file that everybody may read.
func (n Note) Write(path string) error {
	text, err := json.Marshal(n)
	if err == nil {
		err = durable.Write(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("keeping the time that relays told: %w", err)
	}
	return nil
}

// ReadNote reads what Write kept, in a directory of tor's user. The error is fs.ErrNotExist if nothing was.
func ReadNote(path string) (n Note, err error) {
	text, err := untrusted.ReadFile(path)
	if err != nil {
		return n, fmt.Errorf("reading the time that relays told: %w", err)
	}
	if err := json.Unmarshal(text, &n); err != nil {
		return Note{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return n, nil
}

// Newest is what relays have said, kept in a file, if that is good for anything so
// long after the start: nil is that it is not, or that they have said nothing.
func Newest(path string, boot time.Duration) *Note {
	n, err := ReadNote(path)
	if err != nil || !n.Fresh(boot) {
		return nil
	}
	return &n
}
