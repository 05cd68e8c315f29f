// Package away decides when the boxes of friends are dialled: few at a time, and
// one that is away less and less often.
//
// tor looks at all its circuits again and again for each stream that waits, and
// each dial of a box that is off has it ask half a dozen directories on circuits of
// their own: a hundred such dials at once take a processor for minutes, in which
// tor does nothing else. All that serve dials of friends' boxes by itself goes
// through one Gate: hellos, invitations and mail. What a device dials does not: there
// somebody waits for it, and tor bounds what a device has.
package away

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"tunic/gateway/onion"
)

// Places is how many boxes are dialled at a time, and doubtful how many of them may be
// boxes that the last dial did not reach, whatever they say: a box that calls us and
// lets our dials hang holds no place of those that were there.
const (
	Places   = 6
	doubtful = 4
)

// callEvery is how long after a call of a box that no dial reaches the next one is a reason to dial it, and
// twice as long after each such call, up to callMost: boxes that call and hang all the time leave places for
// one that is away and says nothing.
const (
	callEvery = time.Minute
	callMost  = 16 * callEvery
)

// Pauses between dials of a box that is away. Each is three times as long as the one
// before, and by chance a quarter longer or shorter: boxes that come back together do
// not go on missing each other, and those that are away are not dialled together.
const (
	firstPause = 2 * time.Second
	lastPause  = 15 * time.Minute
)

// The time between the beginnings of two dials of boxes that are away, whichever, is
// awayEvery at first and twice as long with each calmAfter in which no box was reached, up to
// awayMost: fifty that are away are dialled every 18 seconds in the long run, by lastPause. One
// that comes back calls us, so nobody waits for this.
const (
	awayEvery = time.Second
	awayMost  = 8 * time.Second
	calmAfter = time.Minute
)

// ErrAway says that a box was dialled for something else just now, in vain.
var ErrAway = errors.New("another dial has just not reached it")

// Gate lets dials begin. It is safe for concurrent use.
type Gate struct {
	begin time.Time // of the beats
	mu    sync.Mutex
	taken int         // places
	doubt int         // those of them that boxes have which were not reached last
	line  []*waiter   // for a place, in the order in which they came
	away  time.Time   // no box that is away is dialled before
	vain  time.Time   // since when no dial has reached a box; zero: the last one did
	timer *time.Timer // calls admit then; nil: it never had to
	boxes map[onion.Address]*box
}

// box is what is known of one that was not reached last, or that is being dialled.
type box struct {
	doubt    bool          // it was not reached last
	called   time.Time     // when a call of it was the last reason to dial it
	again    time.Duration // how long after that a call is the next
	failures int           // in a row, since there was a reason
	pause    time.Duration // after the last of them
	next     time.Time     // not before, without a reason
	dialling bool
	begun    bool        // that dial has a place
	asked    bool        // since then there was a reason for another, if that one fails
	waiting  []chan bool // for the end of that dial, which says whether it was reached
}

// waiter wants a place.
type waiter struct {
	box   *box          // who has the fewest failures goes first
	turn  chan struct{} // closed: it has one
	doubt bool          // then it is one of those that are doubtful
}

// New returns a gate at which nobody is known to be away.
func New() *Gate { return &Gate{begin: time.Now(), boxes: make(map[onion.Address]*box)} }

// Dial dials a box when there is a place for it, which may take minutes. While
// another dial of the same box is under way it waits for that one: the error is
// ErrAway if that one does not reach it. dial is given as much time as it takes for
// itself; its error counts as one more failure to reach the box.
func (g *Gate) Dial(ctx context.Context, who onion.Address, dial func() error) error {
	if err := g.alone(ctx, who); err != nil {
		return err
	}
	w, err := g.enter(ctx, who)
	if err == nil {
		err = dial()
		g.leave(w)
	}
	g.over(who, err, ctx.Err() != nil)
	return err
}

// alone waits until nobody else dials the box.
func (g *Gate) alone(ctx context.Context, who onion.Address) error {
	for {
		g.mu.Lock()
		b := g.box(who)
		if !b.dialling {
			b.dialling = true
			g.mu.Unlock()
			return nil
		}
		over := make(chan bool, 1)
		b.waiting = append(b.waiting, over)
		g.mu.Unlock()
		select {
		case reached := <-over:
			if !reached {
				return ErrAway
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// box returns what is known of a box, under g.mu.
func (g *Gate) box(who onion.Address) *box {
	if g.boxes[who] == nil {
		g.boxes[who] = new(box)
	}
	return g.boxes[who]
}

// enter waits for a place.
func (g *Gate) enter(ctx context.Context, who onion.Address) (w *waiter, err error) {
	g.mu.Lock()
	w = &waiter{box: g.box(who), turn: make(chan struct{})}
	g.line = append(g.line, w)
	g.admit()
	g.mu.Unlock()
	select {
	case <-w.turn:
		return w, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	i := slices.Index(g.line, w)
	if i >= 0 {
		g.line = slices.Delete(g.line, i, i+1)
	}
	g.mu.Unlock()
	if i < 0 { // it got one at the same moment
		g.leave(w)
	}
	return nil, ctx.Err()
}

// leave gives back a place.
func (g *Gate) leave(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken--
	if w.doubt {
		g.doubt--
	}
	g.admit()
}

// admit gives places to who is next, under g.mu.
func (g *Gate) admit() {
	for g.taken < Places {
		first := g.first()
		if first == nil {
			return
		}
		if first.box.failures > 0 {
			if wait := time.Until(g.away); wait > 0 {
				g.admitIn(wait)
				return
			}
			g.away = g.beat(time.Now().Add(g.every() - g.every()/8)) // it may have been woken late
		}
		g.line = slices.DeleteFunc(g.line, func(w *waiter) bool { return w == first })
		g.taken++
		if first.doubt = first.box.doubt; first.doubt {
			g.doubt++
		}
		first.box.begun = true
		close(first.turn)
	}
}

// first is who has the next place, or nil, under g.mu.
func (g *Gate) first() (first *waiter) {
	for _, w := range g.line {
		if w.box.doubt && g.doubt >= doubtful {
			continue
		}
		if first == nil || w.box.failures < first.box.failures {
			first = w
		}
	}
	return first
}

// every is the time to the next dial of a box that is away, under g.mu.
func (g *Gate) every() time.Duration {
	if g.vain.IsZero() {
		return awayEvery
	}
	return min(awayEvery<<min(time.Since(g.vain)/calmAfter, 10), awayMost)
}

// beat is the first moment after t at which a box that is away may be dialled: these are multiples of
// the time between two dials. So who has waited long enough and who is next are woken by the same timer,
// each of which wakes the processor a dozen times. It is called under g.mu.
func (g *Gate) beat(t time.Time) time.Time {
	every := g.every()
	return g.begin.Add((t.Sub(g.begin) + every - 1) / every * every)
}

// admitIn has admit called after a while, under g.mu.
func (g *Gate) admitIn(wait time.Duration) {
	if g.timer != nil {
		g.timer.Reset(wait)
		return
	}
	g.timer = time.AfterFunc(wait, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.admit()
	})
}

// over ends the dial of a box. One that was called off says nothing of the box.
func (g *Gate) over(who onion.Address, err error, calledOff bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.box(who)
	b.dialling = false
	switch {
	case err == nil:
		*b = box{waiting: b.waiting}
		g.reached()
	case !calledOff:
		g.vain = cmp.Or(g.vain, time.Now())
		b.doubt = true
		if b.asked { // no pause, and before those that are away
			b.failures, b.pause, b.next = 0, 0, time.Time{}
			break
		}
		b.pause = min(max(3*b.pause, firstPause), lastPause)
		b.next = g.beat(time.Now().Add(jitter(b.pause)))
		b.failures++
	}
	for _, w := range b.waiting {
		w <- err == nil || calledOff || b.asked // then the next one dials
	}
	b.waiting, b.begun, b.asked = nil, false, false
	if !b.doubt {
		delete(g.boxes, who)
	}
}

// reached has boxes that are away dialled as often as at first, and the next one soon: it may
// have been this box that was away, under g.mu.
func (g *Gate) reached() {
	g.vain = time.Time{}
	if soon := time.Now().Add(awayEvery); g.away.After(soon) {
		g.away = soon
		g.admitIn(awayEvery)
	}
}

// jitter is between three and five quarters of d.
func jitter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2) }

// Pause is how long a box is not to be dialled without a reason: 0 if it was there
// last.
func (g *Gate) Pause(who onion.Address) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b := g.boxes[who]; b != nil {
		return max(time.Until(b.next), 0)
	}
	return 0
}

// Away reports whether a box was not reached last.
func (g *Gate) Away(who onion.Address) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.boxes[who]
	return b != nil && b.failures > 0
}

// Back notes a reason to dial a box, such as news for it, and reports whether it was
// thought away. A dial that waits in the line goes before those of boxes that are, and one that
// is under way and fails is followed by another without a pause.
func (g *Gate) Back(who onion.Address) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.back(who)
}

// Called is Back for a box that has called us. It is no reason, and the answer false,
// if one of its calls was less than callEvery ago, or longer if there were several, and no dial has reached it since.
func (g *Gate) Called(who onion.Address) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.boxes[who]
	if b == nil || time.Since(b.called) < b.again {
		return false
	}
	away := g.back(who)
	if away || b.asked {
		b.called, b.again = time.Now(), min(max(2*b.again, callEvery), callMost)
	}
	return away
}

// back is Back, under g.mu.
func (g *Gate) back(who onion.Address) bool {
	b := g.boxes[who]
	if b == nil {
		return false
	}
	b.asked = b.asked || b.begun
	if b.failures == 0 {
		return false
	}
	b.failures, b.pause, b.next = 0, 0, time.Time{}
	g.admit()
	return true
}

// Keep forgets all boxes but those that it is told to keep.
func (g *Gate) Keep(is func(onion.Address) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.boxes, func(who onion.Address, b *box) bool { return !b.dialling && !is(who) })
}
