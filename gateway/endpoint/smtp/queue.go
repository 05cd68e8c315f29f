package smtp

import (
	"context"
	"slices"
	"sync"
	"time"

	"tunic/gateway/endpoint/smtp/spool"
)

// Times of delivery. A friend's box may be off for a weekend: that is no
// reason to give up, but one to tell the sender.
const (
	redial     = 5 * time.Second // after a box was not reached: a first dial through Tor may just have had bad luck
	firstRetry = time.Minute     // after a box was reached and has refused us or a mail for now
	lastRetry  = time.Hour
	warnAfter  = 12 * time.Hour
	giveUp     = 5 * 24 * time.Hour
)

// queue decides when which message of the spool is tried next.
type queue struct {
	*Server
	woken chan struct{}

	mu      sync.Mutex
	lanes   map[lane]*waitingLine
	running sync.WaitGroup

	finishing sync.Mutex // one message at a time gets its notices
	ready     bool       // what was in the spool at the start is in the lanes
}

func newQueue(s *Server) *queue {
	return &queue{Server: s, woken: make(chan struct{}, 1), lanes: make(map[lane]*waitingLine)}
}

// kick makes run look again. It never blocks.
func (q *queue) kick() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

// add puts a message of the spool into the lanes of its recipients.
func (q *queue) add(e *spool.Envelope, again bool) {
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	var seen []lane
	for _, r := range e.Recipients {
		name := now.laneOf(r.To)
		if r.State != spool.Waiting || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		l := q.lanes[name]
		if l == nil {
			l = &waitingLine{}
			q.lanes[name] = l
		}
		if !l.trying[e.ID] && !slices.ContainsFunc(l.items, func(i item) bool { return i.id == e.ID }) {
			l.items = append(l.items, item{id: e.ID, arrived: e.Arrived, again: again})
		}
	}
	q.kick()
}

// run starts workers when something is due, until ctx ends.
func (q *queue) run(ctx context.Context) error {
	defer q.running.Wait()
	for {
		wait := q.start(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-q.woken:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// start starts what is due and returns how long nothing else will be.
func (q *queue) start(ctx context.Context) time.Duration {
	if q.now().Home == "" {
		return time.Hour // Set wakes us
	}
	q.load()
	q.mu.Lock()
	defer q.mu.Unlock()
	wait := time.Hour
	for name, l := range q.lanes {
		due, next := l.due(time.Now())
		for range min(due, workers) - l.active {
			l.active++
			q.running.Go(func() { q.work(ctx, name) })
		}
		if len(l.items) == 0 && l.active == 0 && l.failures == 0 {
			delete(q.lanes, name)
		}
		if due == 0 && len(l.items) > 0 {
			wait = min(wait, max(next, 10*time.Millisecond))
		}
	}
	return wait
}

// load takes over what a former process left, once.
func (q *queue) load() {
	q.mu.Lock()
	first := !q.ready
	q.ready = true
	q.mu.Unlock()
	if !first {
		return
	}
	all := q.spool.All()
	slices.SortFunc(all, func(a, b *spool.Envelope) int { return a.Arrived.Compare(b.Arrived) })
	for _, e := range all {
		q.add(e, true)
		q.finish(e.ID) // who was to be told of a failure may not have been
	}
}

// sort puts every message into the lanes where it belongs by now: what was this
// box's may be another's, when its address changed. What has no way to go any more
// is due: its sender is told.
func (q *queue) sort() {
	q.mu.Lock()
	ready := q.ready
	q.mu.Unlock()
	if ready {
		for _, e := range q.spool.All() {
			q.add(e, true)
		}
	}
	for _, name := range q.stranded() {
		q.flush(name)
	}
	q.kick()
}

// stranded returns the destinations to which there is no way.
func (q *queue) stranded() []lane {
	q.mu.Lock()
	defer q.mu.Unlock()
	var names []lane
	for name := range q.lanes {
		if name == localLane {
			continue
		}
		if _, err := q.routeTo(name); err != nil {
			names = append(names, name)
		}
	}
	return names
}

// flush makes everything for a destination due, "" for all. A try that is under
// way and fails is followed by another.
func (q *queue) flush(name lane) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for k, l := range q.lanes {
		if name != "" && k != name {
			continue
		}
		l.failures, l.next, l.asked = 0, time.Time{}, time.Now()
		for i := range l.items {
			l.items[i].at, l.items[i].tries = time.Time{}, 0
		}
		n += len(l.items)
	}
	q.kick()
	return n
}

// mayAsk reports whether what waits for a destination has not been made due for a while. A friend's box that
// calls all the time, and takes no mail, would be sent the same one all the time.
func (q *queue) mayAsk(name lane) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[name]
	return l != nil && time.Since(l.asked) >= firstRetry
}

// late looks at what has waited long for a destination: its senders are told,
// or given up.
func (q *queue) late(ctx context.Context, name lane, reason string) {
	q.mu.Lock()
	var warn, drop []string
	l := q.lanes[name]
	l.items = slices.DeleteFunc(l.items, func(i item) bool {
		age := time.Since(i.arrived)
		if age > giveUp {
			drop = append(drop, i.id)
		} else if age > warnAfter {
			warn = append(warn, i.id)
		}
		return age > giveUp
	})
	q.mu.Unlock()
	for _, id := range drop {
		q.failAll(id, name, "4.4.7", "it could not be delivered in five days: "+reason)
	}
	for _, id := range warn {
		q.warn(id, name, reason)
	}
}

// failAll gives up all recipients of a message at one destination.
func (q *queue) failAll(id string, name lane, status, reason string) {
	now := q.now()
	q.settle(id, func(r *spool.Recipient) {
		if r.State == spool.Waiting && now.laneOf(r.To) == name {
			r.State, r.Status, r.Reason, r.Tried = spool.Failed, status, reason, time.Now()
		}
	})
}

// settle changes recipients of a message and does what follows.
func (q *queue) settle(id string, change func(*spool.Recipient)) {
	_, err := q.spool.Update(id, func(e *spool.Envelope) {
		for i := range e.Recipients {
			change(&e.Recipients[i])
		}
	})
	if err == nil {
		q.finish(id)
	}
}

// work delivers to one destination until nothing is due.
func (q *queue) work(ctx context.Context, name lane) {
	defer q.done(name)
	if name == localLane {
		q.workLocal(ctx)
	} else {
		q.workRemote(ctx, name)
	}
}
