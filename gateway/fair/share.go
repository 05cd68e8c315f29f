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
	lasting     bool

	mu      sync.Mutex
	entered uint64 // places given so far
	open    int
	holders map[K][]*held // the oldest first; no holder without a place
}

// held is a place; without cut it cannot be taken away.
type held struct {
	cut    func()
	number uint64 // of those given
}

// New returns a Share of at most each places for a holder, and total in all.
func New[K comparable](each, total int) *Share[K] {
	return &Share[K]{each: each, total: total, holders: make(map[K][]*held)}
}

// Lasting returns a Share for places that are held for hours, by those who cannot be
// told from one that comes under many names. The older half keeps its places;
// of the younger, whoever has the most gives up its oldest, and if nobody has
// more than one, the oldest of all goes for one that has none. So who was there before
// a crowd stays, and who comes during it gets in, for as long as the crowd takes to bring half of
// all places again.
func Lasting[K comparable](each, total int) *Share[K] {
	s := New[K](each, total)
	s.lasting = true
	return s
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
	h := &held{cut, s.entered}
	s.entered++
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
	first := s.youngerHalf()
	greediest, most := who, len(s.holders[who])+1
	for k, list := range s.holders {
		if n := len(list); n > most && s.movable(list, first) >= 0 {
			greediest, most = k, n
		}
	}
	switch {
	case most > len(s.holders[who])+1:
	case s.lasting && len(s.holders[who]) == 0:
		greediest = s.oldest(first, who)
	default:
		return false
	}
	i := s.movable(s.holders[greediest], first)
	if i < 0 {
		return false
	}
	oldest := s.holders[greediest][i]
	s.remove(greediest, i)
	oldest.cut()
	return true
}

// youngerHalf is the number of the first place that may have to make room.
func (s *Share[K]) youngerHalf() uint64 {
	if !s.lasting {
		return 0
	}
	var numbers []uint64
	for _, list := range s.holders {
		for _, h := range list {
			numbers = append(numbers, h.number)
		}
	}
	slices.Sort(numbers)
	return numbers[len(numbers)/2]
}

// oldest is who has the oldest place that may have to make room.
func (s *Share[K]) oldest(first uint64, found K) K {
	least := s.entered
	for k, list := range s.holders {
		if i := s.movable(list, first); i >= 0 && list[i].number < least {
			found, least = k, list[i].number
		}
	}
	return found
}

// movable is the oldest of a holder's places that may have to make room, -1 for none.
func (s *Share[K]) movable(list []*held, first uint64) int {
	return slices.IndexFunc(list, func(h *held) bool { return h.cut != nil && h.number >= first })
}

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
