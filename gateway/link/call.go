package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Verb is something that one end asks of the other: Q is what is asked, A what
// is answered. All of them stand in verbs.go.
type Verb[Q, A any] struct {
	name    string
	limit   int           // that are worked at at a time; one more is refused as ErrBusy
	timeout time.Duration // of who asks
}

// inOrder is the limit of verbs that are obeyed one after another, before
// anything that comes later over the link is looked at.
const inOrder = 0

// ErrBusy is the answer to one question too many of its verb.
var ErrBusy = errors.New("busy")

// Mux says who answers the questions of the other end. Its zero value answers
// none and takes no listener.
type Mux struct {
	// Take is given the listeners that are handed over; f is its own.
	Take func(name string, f *os.File) error
	// Longest is how long a question may be, in bytes of its text, and is refused beyond; 0: as
	// long as a message. Many are worked at at a time.
	Longest int

	handlers map[string]handler
}

// handler answers one verb.
type handler struct {
	limit   int
	working *atomic.Int32
	answer  func(ctx context.Context, question json.RawMessage, files []*os.File) (any, error)
	files   int // that come with a question
}

// Handle has f answer v. The text of its error is what the other end's Ask returns.
func Handle[Q, A any](m *Mux, v Verb[Q, A], f func(context.Context, Q) (A, error)) {
	HandleFiles(m, v, 0, func(ctx context.Context, q Q, _ []*os.File) (A, error) { return f(ctx, q) })
}

// HandleFiles is Handle for a verb with which n descriptors come; a question with
// another number is refused. They are closed when f returns.
func HandleFiles[Q, A any](m *Mux, v Verb[Q, A], n int, f func(context.Context, Q, []*os.File) (A, error)) {
	if m.handlers == nil {
		m.handlers = make(map[string]handler)
	}
	answer := func(ctx context.Context, question json.RawMessage, files []*os.File) (any, error) {
		var q Q
		if err := json.Unmarshal(question, &q); err != nil {
			return nil, fmt.Errorf("decoding the question %s: %w", v.name, err)
		}
		return f(ctx, q, files)
	}
	m.handlers[v.name] = handler{v.limit, new(atomic.Int32), answer, n}
}

// End is one end of the link at work.
type End struct {
	conn *Conn
	mux  *Mux

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan reply // nil: the other end has gone away
}

// NewEnd returns an end that answers as mux says while Run runs.
func NewEnd(conn *Conn, mux *Mux) *End {
	return &End{conn: conn, mux: mux, waiting: make(map[uint64]chan reply)}
}

// Close ends the link, and Run of both ends.
func (e *End) Close() error { return e.conn.Close() }

// Hand gives the other end a listening socket; a second one of the same name
// replaces the first. f stays the caller's and may be closed.
func (e *End) Hand(name string, f *os.File) error { return e.conn.Send(Listener{Name: name}, f) }

// Ask asks the other end and waits for its answer, as long as the verb allows.
// The error is ErrClosed when the other end has gone away.
func Ask[Q, A any](ctx context.Context, e *End, v Verb[Q, A], question Q) (answer A, err error) {
	return AskFiles(ctx, e, v, question)
}

// AskFiles is Ask with descriptors. The files stay the caller's.
func AskFiles[Q, A any](ctx context.Context, e *End, v Verb[Q, A], question Q, files ...*os.File) (answer A, err error) {
	err = e.exchange(ctx, v.name, v.timeout, question, &answer, files)
	return answer, err
}

// exchange is what all verbs share: it reads the answer into the value that answer points to.
func (e *End) exchange(ctx context.Context, verb string, timeout time.Duration, question, answer any, files []*os.File) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("encoding the question %s: %w", verb, err)
	}
	r, err := e.ask(ctx, call{Verb: verb, Body: body}, files...)
	switch {
	case err != nil:
		return fmt.Errorf("asking %s: %w", verb, err)
	case r.Error == ErrBusy.Error():
		return ErrBusy
	case r.Error != "":
		return errors.New(r.Error)
	}
	if err := json.Unmarshal(r.Body, answer); err != nil {
		return fmt.Errorf("decoding the answer to %s: %w", verb, err)
	}
	return nil
}

func (e *End) ask(ctx context.Context, c call, files ...*os.File) (reply, error) {
	id, ch := e.enlist()
	if ch == nil {
		return reply{}, ErrClosed
	}
	defer e.take(id)
	c.ID = id
	if err := e.conn.Send(c, files...); err != nil {
		return reply{}, err
	}
	select {
	case r, ok := <-ch:
		if !ok {
			return reply{}, ErrClosed
		}
		return r, nil
	case <-ctx.Done():
		return reply{}, ctx.Err()
	}
}

// enlist makes room for a reply; nil: there will be none.
func (e *End) enlist() (uint64, chan reply) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiting == nil {
		return 0, nil
	}
	e.last++
	ch := make(chan reply, 1)
	e.waiting[e.last] = ch
	return e.last, ch
}

// take removes who waits for a reply, and returns where.
func (e *End) take(id uint64) chan reply {
	e.mu.Lock()
	defer e.mu.Unlock()
	ch := e.waiting[id]
	delete(e.waiting, id)
	return ch
}

// Run answers the other end's questions until it goes away, which is ErrClosed,
// or says what this end cannot understand. ctx is given to those who answer.
func (e *End) Run(ctx context.Context) error {
	defer e.release()
	for {
		m, files, err := e.conn.Receive()
		if err == nil {
			err = e.obey(ctx, m, files)
		}
		if err != nil {
			e.conn.Close()
			return err
		}
	}
}

// release lets everybody go who waits for a reply.
func (e *End) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ch := range e.waiting {
		close(ch)
	}
	e.waiting = nil
}

func (e *End) obey(ctx context.Context, m Message, files []*os.File) error {
	l, listener := m.(Listener)
	if listener && e.mux.Take != nil && len(files) == 1 {
		return e.mux.Take(l.Name, files[0])
	}
	if m, ok := m.(call); ok {
		return e.answer(ctx, m, files)
	}
	closeAll(files)
	switch m := m.(type) {
	case reply:
		if ch := e.take(m.ID); ch != nil {
			ch <- m // has room: it is sent once
		}
		return nil
	}
	return fmt.Errorf("a listener came that this end does not take, with %d descriptors", len(files))
}

// answer has a question answered; it fails only if this end could not say it.
func (e *End) answer(ctx context.Context, c call, files []*os.File) error {
	h, ok := e.mux.handlers[c.Verb]
	if !ok || len(files) != h.files {
		closeAll(files)
		return e.conn.Send(reply{ID: c.ID, Error: fmt.Sprintf("there is no question %q with %d descriptors", c.Verb, len(files))})
	}
	if e.mux.Longest > 0 && len(c.Body) > e.mux.Longest {
		closeAll(files)
		return e.conn.Send(reply{ID: c.ID, Error: fmt.Sprintf("the question %q is longer than %d bytes", c.Verb, e.mux.Longest)})
	}
	if h.limit == inOrder {
		return e.conn.Send(h.reply(ctx, c, files))
	}
	if h.working.Add(1) > int32(h.limit) {
		h.working.Add(-1)
		closeAll(files)
		return e.conn.Send(reply{ID: c.ID, Error: ErrBusy.Error()})
	}
	go func() {
		defer h.working.Add(-1)
		e.conn.Send(h.reply(ctx, c, files)) // fails when the other end has gone away, which Run sees
	}()
	return nil
}

func (h handler) reply(ctx context.Context, c call, files []*os.File) reply {
	defer closeAll(files)
	r := reply{ID: c.ID}
	answer, err := h.answer(ctx, c.Body, files)
	if err == nil {
		r.Body, err = json.Marshal(answer)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}
