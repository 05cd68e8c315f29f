package endpoint

import (
	"math"
	"sync/atomic"
	"time"

	"tunic/gateway/fair"
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
// listeners, which then share its limits. When there is no room left, the
// visitor that has the most connections loses the oldest of them (fair.Share).
// It is safe for concurrent use.
type Limiter struct {
	limits                    Limits
	share                     *fair.Share[visitor]
	panics, accepted, refused atomic.Uint64
	nameless                  atomic.Uint64
}

// visitor is who counts as one: an id, or a number if there is none.
type visitor struct {
	id     string
	number uint64
}

// NewLimiter returns a Limiter with nothing acquired.
func NewLimiter(l Limits) *Limiter {
	return &Limiter{limits: l, share: fair.New[visitor](orAll(l.MaxPerVisitor), orAll(l.MaxConns))}
}

// Limits returns what NewLimiter was given.
func (l *Limiter) Limits() Limits { return l.limits }

// Enter asks for room for one connection of the visitor with this id. If ok,
// release must be called once the connection is closed; further calls of it do
// nothing. If not ok, release is nil and the connection is to be closed. cut is
// called if the connection has to make room for another's; it must not block.
// With the empty id only the limit for all visitors counts.
func (l *Limiter) Enter(id string, cut func()) (release func(), ok bool) {
	who := visitor{id: id}
	if id == "" {
		who.number = l.nameless.Add(1)
	}
	if release, ok = l.share.Enter(who, cut); !ok {
		l.refused.Add(1)
		return nil, false
	}
	l.accepted.Add(1)
	return release, true
}

// Stats returns the counters.
func (l *Limiter) Stats() Stats {
	return Stats{Active: l.share.Open(), Accepted: l.accepted.Load(), Refused: l.refused.Load(), Panics: l.panics.Load()}
}

// orAll makes a limit of 0 none.
func orAll(limit int) int {
	if limit <= 0 {
		return math.MaxInt
	}
	return limit
}
