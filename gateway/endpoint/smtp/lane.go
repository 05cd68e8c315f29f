package smtp

import (
	"math/rand/v2"
	"slices"
	"time"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
)

// workers is how many transfers one destination has at a time.
const workers = 3

// lane names a destination: an onion, or localLane.
type lane string

// localLane is for the people and groups of this box.
const localLane lane = "local"

// laneOf is where a recipient's mail goes.
func (c *settings) laneOf(to string) lane {
	key, ok := keyOf(to)
	switch {
	case !ok:
		return smarthostLane
	case c.own(key):
		return localLane
	}
	return lane(key)
}

// waitingLine is what waits for one destination.
type waitingLine struct {
	items    []item // in the order of arrival
	active   int    // workers
	failures int    // in a row, to reach the destination
	next     time.Time
	asked    time.Time       // when all of it was made due: a try from before does not make it wait
	reason   string          // why it was not reached, in words
	trying   map[string]bool // the messages that workers have
}

// item is one message for one destination.
type item struct {
	id      string
	at      time.Time // not before
	began   time.Time // the try that is under way
	tries   int
	arrived time.Time
	again   bool // a former process may have delivered it already
}

// due counts what may be tried now, and says how long until the next.
func (l *waitingLine) due(now time.Time) (n int, next time.Duration) {
	next = time.Hour
	if wait := l.next.Sub(now); wait > 0 {
		return 0, wait
	}
	for _, i := range l.items {
		if wait := i.at.Sub(now); wait > 0 {
			next = min(next, wait)
		} else {
			n++
		}
	}
	return n, next
}

// take hands out the next message for a destination.
func (q *queue) take(name lane) (item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[name]
	now := time.Now()
	if l.next.After(now) {
		return item{}, false
	}
	k := slices.IndexFunc(l.items, func(i item) bool { return !i.at.After(now) })
	if k < 0 {
		return item{}, false
	}
	i := l.items[k]
	i.began = now
	l.items = slices.Delete(l.items, k, k+1)
	if l.trying == nil {
		l.trying = make(map[string]bool)
	}
	l.trying[i.id] = true
	return i, true
}

// over ends the try of a message. Who of its recipients still waits was more than one transaction
// takes, or belongs here only since the addresses of boxes changed.
func (q *queue) over(name lane, i item) {
	q.mu.Lock()
	delete(q.lanes[name].trying, i.id)
	q.mu.Unlock()
	if e, err := q.spool.Get(i.id); err == nil {
		q.add(e, true)
	}
}

// retry puts a message back, to be tried later than the last time.
func (q *queue) retry(name lane, i item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[name]
	if l.asked.After(i.began) {
		i.at, i.tries = time.Time{}, 0
	} else {
		i.at = time.Now().Add(backoff(firstRetry, i.tries))
		i.tries++
	}
	i.again = true
	delete(l.trying, i.id)
	l.items = append(l.items, i)
}

// putBack puts a message back that was not tried, where it was.
func (q *queue) putBack(name lane, i item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[name]
	delete(l.trying, i.id)
	l.items = slices.Insert(l.items, 0, i)
}

// unreachable makes all messages for a destination wait, after a try that began
// at a time and failed.
func (q *queue) unreachable(name lane, began time.Time, first time.Duration, reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[name]
	l.reason = reason
	if !l.asked.After(began) && !l.next.After(time.Now()) {
		l.next = time.Now().Add(backoff(first, l.failures))
		l.failures++
	}
}

// reached forgets failures.
func (q *queue) reached(name lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[name]
	l.failures, l.reason, l.next = 0, "", time.Time{}
}

// done ends a worker.
func (q *queue) done(name lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lanes[name].active--
	q.kick()
}

// failed counts how often in a row a destination was not reached.
func (q *queue) failed(name lane) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lanes[name].failures
}

// backoff doubles from first to an hour, by chance a quarter longer or shorter,
// so that boxes that came back together do not come again together.
func backoff(first time.Duration, failures int) time.Duration {
	d := min(first<<min(failures, 10), lastRetry)
	return d*3/4 + rand.N(d/2)
}

// domainOf is the domain of a lane's recipients.
func domainOf(name lane) string { return address.Domain(onion.Address(name)) }
