package talk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Why a friend has nobody to talk with.
var (
	// ErrNobody says that nobody sits at the table.
	ErrNobody = errors.New("nobody is at the table")
	// ErrTaken says that a talk goes on at it.
	ErrTaken = errors.New("somebody talks at the table already")
)

// patience is how long somebody may take nothing of a line.
const patience = time.Minute

// lastLines is how long what was said before somebody left may take to be sent.
const lastLines = 2 * time.Second

// A person says linesAtOnce lines, and then linesEach a second: what comes faster waits.
const (
	linesAtOnce = 20
	linesEach   = 5
)

// Friend is one whom somebody wants to talk with.
type Friend[ID comparable] struct {
	ID   ID
	Name string // the petname
	// First says that of two calls at the same time, one from each box, ours counts.
	// It is the same decision on both boxes.
	First bool
	// Call asks the friend's box for its table.
	Call func(ctx context.Context) (io.ReadWriteCloser, error)
	// Missed words why the call was in vain, for who sits at the table.
	Missed func(error) string
}

// House has a table for each friend, with one seat. The zero House can be used.
type House[ID comparable] struct {
	mu    sync.Mutex
	seats map[ID]*seat
}

// seat is somebody who waits, or talks.
type seat struct {
	joins chan io.ReadWriteCloser // of the friend's box
	taken chan struct{}           // closed when the talk begins
	gone  chan struct{}           // closed when nobody sits there any more
}

// Sit has somebody of the house wait at a friend's table until the friend is there, and
// talk until one of them leaves, or nothing is said for an hour. own is closed then, when the seat is free. ErrTaken
// says that somebody else sits there. talking is called when the talk begins.
func (h *House[ID]) Sit(ctx context.Context, own io.ReadWriteCloser, f Friend[ID], talking func()) error {
	s := &seat{joins: make(chan io.ReadWriteCloser), taken: make(chan struct{}), gone: make(chan struct{})}
	if !h.take(f.ID, s) {
		return ErrTaken
	}
	leave := func() { h.leave(f.ID, s) }
	defer leave()
	own = &sitter{own, leave}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { own.Close() })()
	p := newPerson(ctx, own)
	defer p.quiet.stop()
	friend, err := wait(ctx, p, s, f)
	if err != nil {
		return err
	}
	defer friend.Close()
	defer context.AfterFunc(ctx, func() { friend.Close() })()
	close(s.taken)
	talking()
	p.say("* %s is here. What you type goes there line by line; Ctrl-C ends it.", f.Name)
	return join(ctx, p, friend, f.Name)
}

func (h *House[ID]) take(id ID, s *seat) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seats == nil {
		h.seats = make(map[ID]*seat)
	}
	if h.seats[id] != nil {
		return false
	}
	h.seats[id] = s
	return true
}

// leave makes a seat free, if that was not done before.
func (h *House[ID]) leave(id ID, s *seat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seats[id] == s {
		delete(h.seats, id)
		close(s.gone)
	}
}

// sitter is the stream of who sits at a table. They may sit down again as soon as they see that it is closed, so the seat
// is free before.
type sitter struct {
	io.ReadWriteCloser
	leave func()
}

func (s *sitter) Close() error {
	s.leave()
	return s.ReadWriteCloser.Close()
}

// Answer gives a friend's call to who sits at the friend's table. It is theirs when nil
// is returned. It may wait until their own call is over.
func (h *House[ID]) Answer(ctx context.Context, id ID, call io.ReadWriteCloser) error {
	h.mu.Lock()
	s := h.seats[id]
	h.mu.Unlock()
	if s == nil {
		return ErrNobody
	}
	select {
	case <-s.taken: // not by chance: a channel that is ready too would do
		return ErrTaken
	default:
	}
	select {
	case s.joins <- call:
		return nil
	case <-s.taken:
		return ErrTaken
	case <-s.gone:
		return ErrNobody
	case <-ctx.Done():
		return ErrTaken
	}
}

// wait waits for the friend, who is called and may call.
func wait[ID comparable](ctx context.Context, p *person, s *seat, f Friend[ID]) (io.ReadWriteCloser, error) {
	p.say("+talk") // that is how TCPMUX says yes (RFC 1078)
	p.say("* You sit at the table for %s, and their box is called. Ctrl-C ends it.", f.Name)
	calling, hangUp := context.WithCancel(ctx)
	called := make(chan called, 1)
	go call(calling, f.Call, called)
	pending := true
	defer func() {
		hangUp()
		if pending {
			go discard(called)
		}
	}()
	for {
		joins := s.joins
		if pending && f.First {
			joins = nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case _, ok := <-p.lines:
			if !ok {
				return nil, errLeft
			}
			p.quiet.broken()
			p.say("* %s is not here yet: this was not sent.", f.Name)
		case friend := <-joins:
			return friend, nil
		case c := <-called:
			pending = false
			if c.err == nil {
				return c.friend, nil
			}
			p.say("* %s", f.Missed(c.err))
		}
	}
}

var errLeft = errors.New("left before the friend came")

// called is what came of a call.
type called struct {
	friend io.ReadWriteCloser
	err    error
}

func call(ctx context.Context, by func(context.Context) (io.ReadWriteCloser, error), out chan<- called) {
	friend, err := by(ctx)
	out <- called{friend, err}
}

// discard ends a call that is not wanted any more.
func discard(in <-chan called) {
	if c := <-in; c.err == nil {
		c.friend.Close()
	}
}

// person is somebody of the house.
type person struct {
	io.Closer
	w     io.Writer
	lines chan string   // closed when they have left
	left  chan struct{} // closed then too
	quiet *quiet
}

func newPerson(ctx context.Context, own io.ReadWriteCloser) *person {
	p := &person{Closer: own, w: own, lines: make(chan string), left: make(chan struct{})}
	p.quiet = p.watch()
	go func() {
		defer close(p.left)
		defer close(p.lines)
		read(ctx, own, func(line string) error {
			select {
			case p.lines <- line:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return p
}

// read gives lines on, at a bounded rate, until there are no more or nobody wants them.
func read(ctx context.Context, r io.Reader, give func(string) error) {
	lines, pace := newLines(r), rate.NewLimiter(linesEach, linesAtOnce)
	for {
		line, err := lines.Next()
		if err != nil || pace.Wait(ctx) != nil || give(line) != nil {
			return
		}
	}
}

func (p *person) say(format string, args ...any) {
	_ = write(p, p.w, fmt.Sprintf(format, args...)) // who is gone is noticed where they are read
}

// write sends a line, or ends the stream of who takes nothing of it.
func write(c io.Closer, w io.Writer, line string) error {
	late := time.AfterFunc(patience, func() { c.Close() })
	defer late.Stop()
	_, err := io.WriteString(w, line+"\r\n")
	return err
}

// join passes lines on in both directions until one of them leaves.
func join(ctx context.Context, p *person, friend io.ReadWriteCloser, name string) error {
	down := make(chan struct{})
	go func() {
		defer close(down)
		read(ctx, friend, func(line string) error {
			p.quiet.broken()
			return write(p, p.w, name+": "+line)
		})
	}()
	up := make(chan struct{})
	go func() {
		defer close(up)
		for line := range p.lines {
			p.quiet.broken()
			if write(friend, friend, line) != nil {
				return
			}
		}
	}()
	go func() {
		select {
		case <-p.left: // the friend may never take what was said
			time.AfterFunc(lastLines, func() { friend.Close() })
		case <-down:
		}
	}()
	select {
	case <-up: // what the friend says to nobody is of no use
	case <-down:
		p.say("* %s has left.", name)
	}
	friend.Close()
	p.Close()
	<-up
	<-down
	return nil
}
