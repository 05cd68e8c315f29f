package onion

import (
	"slices"
	"sync"
)

// Limiter bounds streams per circuit and in all. cut is called if the stream has
// to make room for another; leave is called once, when it is over.
type Limiter interface {
	Enter(circuit uint32, cut func()) (leave func(), ok bool)
}

// Share is a Limiter that is fair to circuits: when there is no room left, the
// circuit that has the most streams gives up its oldest one for one that has
// fewer. So who holds all streams with some circuits keeps nobody out, and needs
// as many circuits as there are streams; against that tor asks for work.
type Share struct {
	perCircuit, total int

	mu       sync.Mutex
	open     int
	circuits map[uint32][]*held // the oldest first; no circuit without a stream
}

// held is a stream's place.
type held struct{ cut func() }

// NewShare returns a Share for at most perCircuit streams at one time of each
// circuit, and total in all.
func NewShare(perCircuit, total int) *Share {
	return &Share{perCircuit: perCircuit, total: total, circuits: make(map[uint32][]*held)}
}

// Enter implements Limiter.
func (s *Share) Enter(circuit uint32, cut func()) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.circuits[circuit]) >= s.perCircuit || s.open >= s.total && !s.makeRoom(circuit) {
		return nil, false
	}
	h := &held{cut}
	s.open++
	s.circuits[circuit] = append(s.circuits[circuit], h)
	return func() { s.leave(circuit, h) }, true
}

// makeRoom cuts a stream of the circuit that has the most, if that has more
// than the one that comes would have then.
func (s *Share) makeRoom(circuit uint32) bool {
	greediest := circuit
	for id, list := range s.circuits {
		if len(list) > len(s.circuits[greediest]) {
			greediest = id
		}
	}
	if len(s.circuits[greediest]) <= len(s.circuits[circuit])+1 {
		return false
	}
	oldest := s.circuits[greediest][0]
	s.remove(greediest, 0)
	oldest.cut()
	return true
}

// leave gives the place back, unless it was taken away.
func (s *Share) leave(circuit uint32, h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.circuits[circuit], h); i >= 0 {
		s.remove(circuit, i)
	}
}

func (s *Share) remove(circuit uint32, i int) {
	s.open--
	rest := slices.Delete(s.circuits[circuit], i, i+1)
	if len(rest) == 0 {
		delete(s.circuits, circuit)
		return
	}
	s.circuits[circuit] = rest
}
