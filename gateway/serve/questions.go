package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tunic/gateway/link"
)

var errNoParent = errors.New("the parent has gone away")

// questions are those of one kind that the parent is asked, and R is what it
// replies.
type questions[R any] struct {
	mu      sync.Mutex
	parent  *link.Conn // nil before Run
	last    uint64
	waiting map[uint64]chan R
}

// attach makes parent the one that is asked.
func (q *questions[R]) attach(parent *link.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.parent, q.waiting = parent, make(map[uint64]chan R)
}

// ask sends a question and waits for its reply, or until ctx ends.
func (q *questions[R]) ask(ctx context.Context, question func(id uint64) link.Message) (R, error) {
	var none R
	id, ch, parent := q.enlist()
	if parent == nil {
		return none, errNoParent
	}
	defer q.take(id)
	if err := parent.Send(question(id)); err != nil {
		return none, fmt.Errorf("asking the parent: %w", err)
	}
	select {
	case reply := <-ch:
		return reply, nil
	case <-ctx.Done():
		return none, fmt.Errorf("waiting for the parent: %w", ctx.Err())
	}
}

func (q *questions[R]) enlist() (uint64, chan R, *link.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.parent == nil {
		return 0, nil, nil
	}
	q.last++
	ch := make(chan R, 1)
	q.waiting[q.last] = ch
	return q.last, ch, q.parent
}

// take removes who waits for a reply, and returns where.
func (q *questions[R]) take(id uint64) chan R {
	q.mu.Lock()
	defer q.mu.Unlock()
	ch := q.waiting[id]
	delete(q.waiting, id)
	return ch
}

// answer hands the parent's reply to whom it is for, if he still waits.
func (q *questions[R]) answer(id uint64, reply R) {
	if ch := q.take(id); ch != nil {
		ch <- reply // has room: it is sent once
	}
}
