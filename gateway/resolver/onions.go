package resolver

import (
	"errors"
	"sync"
	"time"

	"tunic/gateway/device"
)

// tor gives each onion name that it is asked for an address of its own, names
// below an onion too, and keeps it for as long as it runs: there are 65,536. So a
// device, or a page that it has open, gets some at once and then one in a while.
const (
	onionsAtOnce  = 256
	onionEvery    = 15 * time.Second
	onionsKnown   = 1024 // names of a device that cost nothing to ask for again
	onionsDevices = 256  // whose names are known
)

var errOnions = errors.New("mapping an onion name: this device has asked for too many others")

// onionShare counts the onion names of each device.
type onionShare struct {
	now func() time.Time

	mu sync.Mutex
	of map[device.Key]*onionNames
}

// onionNames are those of one device.
type onionNames struct {
	known map[string]bool
	full  time.Time // when it may ask for onionsAtOnce new ones again
}

func newOnionShare() *onionShare {
	return &onionShare{now: time.Now, of: make(map[device.Key]*onionNames)}
}

// take reports whether a device may ask tor for a name. One that it has asked for
// before costs nothing.
func (s *onionShare) take(who device.Key, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	n := s.of[who]
	if n == nil {
		s.makeRoom()
		n = &onionNames{known: make(map[string]bool)}
		s.of[who] = n
	}
	if n.known[name] {
		return true
	}
	if n.full.Before(now) {
		n.full = now
	}
	if n.full.Sub(now) > (onionsAtOnce-1)*onionEvery {
		return false
	}
	n.full = n.full.Add(onionEvery)
	if len(n.known) == onionsKnown {
		clear(n.known)
	}
	n.known[name] = true
	return true
}

// makeRoom forgets the device that has asked for the fewest names lately, so that
// nobody is forgotten who has spent a share.
func (s *onionShare) makeRoom() {
	if len(s.of) < onionsDevices {
		return
	}
	var least device.Key
	for who, n := range s.of {
		if first := s.of[least]; first == nil || n.full.Before(first.full) {
			least = who
		}
	}
	delete(s.of, least)
}
