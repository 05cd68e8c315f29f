package tor

import (
	"cmp"
	"strings"
	"time"
)

// maxAttempts bounds for how many relays attempts are counted.
const maxAttempts = 128

// A bridge is not reached when failing attempts in a row have been begun, of which the
// last may be under way, or when the first of them was answerTime ago: one whose packets
// are dropped is tried for two minutes at a time.
const (
	failing    = 3
	answerTime = 6 * time.Second
)

// attempts are, by fingerprint, the connections to a relay or bridge that tor has begun
// since the last one that was established. That is all there is to see of a bridge
// with a transport: tor tells of no failure but in its log.
type attempts map[string]tries

type tries struct {
	count int
	since time.Time // of the first
}

func (t tries) failed(now time.Time) bool {
	return t.count >= failing || t.count > 0 && now.Sub(t.since) >= answerTime
}

// event takes an ORCONN event (control-spec, "OR Connection status changed"):
// "$FINGERPRINT~NICK LAUNCHED ID=5". It reports whether it tells anything new.
func (a attempts) event(target, state string, now time.Time) bool {
	print, ok := strings.CutPrefix(target, "$")
	if !ok {
		return false
	}
	if i := strings.IndexAny(print, "~="); i >= 0 {
		print = print[:i]
	}
	before := a[print]
	switch state {
	case "LAUNCHED":
		if before.count == 0 && len(a) >= maxAttempts {
			return false
		}
		after := tries{before.count + 1, cmp.Or(before.since, now)}
		a[print] = after
		return !before.failed(now) && after.failed(now)
	case "CONNECTED":
		delete(a, print)
		return before.failed(now)
	}
	return false
}

// Unreached reports whether tor has tried to connect to the bridge with that
// fingerprint, several times or for long, and has never got through since.
func (s Status) Unreached(fingerprint string) bool { return s.attempts[fingerprint].failed(time.Now()) }
