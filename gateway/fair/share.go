// Package fair divides an absolute bound among those who want part of it, so
// that whoever takes much keeps nobody out who takes little.
//
// Use it for whatever a box has a fixed number of: connections, questions under
// way, streams. Who counts as one is for the caller to say: a device
// (gateway/device), a circuit, a friend.
package fair

import (
	"slices"
	"sync"
)

// Share bounds what each holder of K has at one time, and what all have. When
// there is no room left, the holder that has the most gives up its
// oldest one for one that has fewer. It is safe for concurrent use.
type Share[K comparable] struct {
	each, total int

	mu      sync.Mutex
	open    int
	holders map[K][]*held // the oldest first; no holder without a place
}

// held is a place; without cut it cannot be taken away.
type held struct{ cut func() }

// New returns a Share of at most each places for a holder, and total in all.
func New[K comparable](each, total int) *Share[K] {
	return &Share[K]{each: each, total: total, holders: make(map[K][]*held)}
}

// Enter asks for a place. cut is called, with the Share locked, if the place has
// to make room for another; it must not block, and with nil the place is kept.
// leave is called when it is over; further calls of it do nothing.
func (s *Share[K]) Enter(who K, cut func()) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.holders[who]) >= s.each || s.open >= s.total && !s.makeRoom(who) {
		return nil, false
	}
	h := &held{cut}
	s.open++
	s.holders[who] = append(s.holders[who], h)
	return func() { s.leave(who, h) }, true
}

// Open is how many places are taken.
func (s *Share[K]) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// makeRoom takes a place from the holder that has the most, if that has more
// than the one that comes would have then.
func (s *Share[K]) makeRoom(who K) bool {
	greediest, most := who, len(s.holders[who])+1
	for k, list := range s.holders {
		if len(list) > most && slices.ContainsFunc(list, evictable) {
			greediest, most = k, len(list)
		}
	}
	list := s.holders[greediest]
	if most == len(s.holders[who])+1 {
		return false
	}
	i := slices.IndexFunc(list, evictable)
	oldest := list[i]
	s.remove(greediest, i)
	oldest.cut()
	return true
}

func evictable(h *held) bool { return h.cut != nil }

// leave gives the place back, unless it was taken away.
func (s *Share[K]) leave(who K, h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.holders[who], h); i >= 0 {
		s.remove(who, i)
	}
}

func (s *Share[K]) remove(who K, i int) {
	s.open--
	rest := slices.Delete(s.holders[who], i, i+1)
	if len(rest) == 0 {
		delete(s.holders, who)
		return
	}
	s.holders[who] = rest
}
