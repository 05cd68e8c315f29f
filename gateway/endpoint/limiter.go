package endpoint

import (
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound what visitors can take from the box. A zero field is no limit.
type Limits struct {
	MaxConns      int           // connections at one time, of all visitors
	MaxPerVisitor int           // connections at one time with the same Visitor.ID
	Idle          time.Duration // a connection on which nothing moves this long is closed
	Total         time.Duration // a connection is closed after this long in any case
}

// Stats are counters since the Limiter was made, and what is open now.
type Stats struct {
	Active   int    // connections open now
	Accepted uint64 // connections that were within the limits
	Refused  uint64 // connections that were not
	Panics   uint64 // conversations that ended in a panic
}

// Limiter applies Limits to connections. One Limiter may serve several
// listeners, which then share its limits. It is safe for concurrent use.
type Limiter struct {
	limits Limits
	panics atomic.Uint64

	mu         sync.Mutex
	active     int
	perVisitor map[string]int // only visitors that have a connection now
	accepted   uint64
	refused    uint64
}

// NewLimiter returns a Limiter with nothing acquired.
func NewLimiter(l Limits) *Limiter {
	return &Limiter{limits: l, perVisitor: make(map[string]int)}
}

// Limits returns what NewLimiter was given.
func (l *Limiter) Limits() Limits { return l.limits }

// Acquire asks for room for one connection of the visitor with this id. If ok,
// release must be called once the connection is closed; further calls of it do
// nothing. If not ok, release is nil and the connection is to be closed. With
// the empty id only the limit for all visitors counts.
func (l *Limiter) Acquire(id string) (release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := over(l.active, l.limits.MaxConns)
	if id != "" {
		full = full || over(l.perVisitor[id], l.limits.MaxPerVisitor)
	}
	if full {
		l.refused++
		return nil, false
	}
	l.accepted++
	l.active++
	if id != "" {
		l.perVisitor[id]++
	}
	return sync.OnceFunc(func() { l.release(id) }), true
}

// Stats returns the counters.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Active: l.active, Accepted: l.accepted, Refused: l.refused, Panics: l.panics.Load()}
}

func (l *Limiter) release(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active--
	if id == "" {
		return
	}
	if l.perVisitor[id]--; l.perVisitor[id] == 0 {
		delete(l.perVisitor, id)
	}
}

// over reports whether one more than have would be over limit.
func over(have, limit int) bool { return limit > 0 && have >= limit }
