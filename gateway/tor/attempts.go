package tor

import "strings"

// maxAttempts bounds for how many relays attempts are counted.
const maxAttempts = 128

// failing is how many attempts in a row say that a bridge is not reached: the
// last of them may be under way.
const failing = 4

// attempts counts, by fingerprint, the connections to a relay or bridge that
// tor has begun since the last one that was established. That is all there is
// to see of a bridge with a transport: tor tells of no failure but in its log.
type attempts map[string]int

// event takes an ORCONN event (control-spec, "OR Connection status changed"):
// "$FINGERPRINT~NICK LAUNCHED ID=5". It reports whether it tells anything new.
func (a attempts) event(target, state string) bool {
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
		if before > 0 || len(a) < maxAttempts {
			a[print]++
		}
		return before == failing-1
	case "CONNECTED":
		delete(a, print)
		return before >= failing
	}
	return false
}

// Unreached reports whether tor has tried several times to connect to the
// bridge with that fingerprint, and has never got through since.
func (s Status) Unreached(fingerprint string) bool { return s.attempts[fingerprint] >= failing }
