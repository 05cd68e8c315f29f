package tor

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/gateway/supervise"
)

// Status is what is known of the tor process, from its events alone.
type Status struct {
	Running  bool      // the process is there and answers on its control socket
	PID      int       // 0 if there is none
	Version  string    // of the process: "0.4.9.11"
	Since    time.Time // when this process was started
	Restarts int       // starts after the first, asked for or not

	Bootstrap int    // percent, 0 to 100
	Summary   string // what tor is doing: "Loading relay descriptors"
	Warning   string // why it does not get on; "" once it does
	Circuits  bool   // a circuit was built, and tor has not given up since
	Live      bool   // tor hears from the network

	// ClockSkew is how far the box's clock is ahead of the network's (negative:
	// behind), as far as tor could tell; 0 if it saw no skew, or has built
	// circuits since.
	ClockSkew time.Duration

	// LastError says why the last process ended or could not start; "" again
	// once a process has bootstrapped, or one that was asked to has ended.
	LastError string

	Onions map[string]Descriptor // by address (56 letters); those of the Spec

	// Cleartext are ports on which passwords are often sent in clear
	// (WarnPlaintextPorts of tor(1)), with when one was last dialled.
	Cleartext map[uint16]time.Time

	// OverTor are the devices that dialled relays in the last day; it outlives
	// the process.
	OverTor []OverTor
	// Full are the MACs of devices that have all connections through TransPort
	// that they may have: see DeviceStreams.
	Full []string

	// The tracker's own, by address.
	holders directories
	ways    map[string]*uploads

	attempts attempts
}

// Descriptor is what happened to the descriptors of one onion since this tor
// process was started.
type Descriptor struct {
	Out       bool      // visitors find it
	Uploads   int       // that a directory has taken
	At        time.Time // of the last of them
	Failed    int       // that a directory has refused
	LastError string    // its reason, as tor names it: "UPLOAD_REJECTED"

	Directories int // that hold one now, as far as their answers say
}

// tracker keeps the Status and tells of its changes.
type tracker struct {
	changed func() // called without the lock held
	told    func() // the same: see Options.Told

	mu     sync.Mutex
	status Status
	starts int
}

// update changes the status and tells of it.
func (t *tracker) update(change func(*Status)) {
	t.set(change)
	t.changed()
}

func (t *tracker) set(change func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.status)
}

// attempt takes an ORCONN event, of which few tell anything new.
func (t *tracker) attempt(words []string) {
	t.mu.Lock()
	if t.status.attempts == nil {
		t.status.attempts = make(attempts)
	}
	news := len(words) > 1 && t.status.attempts.event(words[0], words[1], time.Now())
	t.mu.Unlock()
	if news {
		t.told()
	}
}

func (t *tracker) snapshot() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.status
	s.Onions, s.Cleartext, s.attempts = maps.Clone(s.Onions), maps.Clone(s.Cleartext), maps.Clone(s.attempts)
	for address, d := range s.Onions {
		d.Directories = s.holders.holding(address, time.Now())
		d.Out = s.ways[address].done(time.Now())
		s.Onions[address] = d
	}
	s.holders, s.ways = nil, nil
	return s
}

// started begins the life of a new process: nothing of the old one is true.
func (t *tracker) started(pid int, v Version, onions []Onion) {
	t.update(func(s *Status) {
		*s = Status{PID: pid, Version: v.String(), Since: time.Now(), Restarts: t.starts, LastError: s.LastError}
		t.starts++
		keepOnions(s, onions)
	})
}

// ended keeps the error only: a dead process has no progress. Without an error
// it was asked to end, and why an earlier one did says nothing of the next.
func (t *tracker) ended(err error) {
	t.update(func(s *Status) {
		*s = Status{Version: s.Version, Restarts: s.Restarts}
		if err != nil {
			s.LastError = lastWords(err)
		}
	})
}

// lastWords is an error without those of tor's last lines that only say how it went:
// who is killed has nothing to say of it.
func lastWords(err error) string {
	exit, ok := errors.AsType[*supervise.ExitError](err)
	if !ok {
		return err.Error()
	}
	why := *exit
	why.Tail = slices.DeleteFunc(slices.Clone(exit.Tail), func(line string) bool {
		return strings.Contains(line, "[notice]") || strings.Contains(line, "[info]") || strings.Contains(line, "[debug]")
	})
	return strings.Replace(err.Error(), exit.Error(), why.Error(), 1)
}

// onions makes the status speak of these onions, and of no other.
func (t *tracker) onions(onions []Onion) { t.update(func(s *Status) { keepOnions(s, onions) }) }

func keepOnions(s *Status, onions []Onion) {
	kept := make(map[string]Descriptor, len(onions))
	for _, o := range onions {
		if o.Address != "" {
			kept[o.Address] = s.Onions[o.Address]
		}
	}
	s.Onions = kept
	if s.holders == nil {
		s.holders, s.ways = make(directories), make(map[string]*uploads)
	}
	maps.DeleteFunc(s.holders, func(address string, _ map[string]time.Time) bool { _, ok := kept[address]; return !ok })
	maps.DeleteFunc(s.ways, func(address string, _ *uploads) bool { _, ok := kept[address]; return !ok })
}
