// Package splice moves bytes between two connections for as long as both last, at the
// least cost for those on which nothing moves.
//
// Use it where a box holds many streams of others: fronts of onions, the SOCKS proxy. Do
// not use it to read what is said.
package splice

import (
	"cmp"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tie is two connections between which bytes are moved both ways, until both ways have
// ended. A way on which nothing moves has no goroutine: one poller waits for all of
// them (epoll(7)) and moves what is little itself. What is more is moved by a goroutine, in the
// kernel (splice(2)), which ends when nothing has come for a moment.
//
// From Start on the connections are the Tie's, and nobody else may close them. What is no
// socket is copied, by two goroutines.
//
// Who closed them before has to have stopped when Start is called (see Cutter).
type Tie struct {
	o     Options
	ends  [2]net.Conn // near and far
	ways  [2]way      // up, from near to far, and down
	open  atomic.Int32
	cause atomic.Pointer[error] // why it was cut
}

// Options are how a Tie ends.
type Options struct {
	// Patience is how long far may take for what is moved at a time, 64 KiB, before all
	// ends with os.ErrDeadlineExceeded; 0: for ever.
	Patience time.Duration
	// Linger is how long far may go on when near has ended; 0: for ever. Then it is cut
	// with os.ErrDeadlineExceeded. When an end takes nothing any more, what it has said before has as
	// long to arrive, or a minute.
	Linger time.Duration
	// Buffer is what may wait for near in the kernel when there is much for it, in bytes
	// (SO_SNDBUF, of which the kernel may give less); 0: what it has.
	Buffer int
	// Reset has a failure, and a cut, passed on to both ends as a reset of TCP: a plain
	// end would make half a download look like a whole one. It is no failure that one end takes
	// nothing any more, since it has closed its connection after it had said all.
	Reset bool
	// Over is called once, after both connections have been closed: with how many bytes
	// were moved up and down, and the errors by which the ways ended, nil for one that
	// ended by itself, net.ErrClosed for one that was cut. It must not wait.
	Over func(up, down Way)
}

// Way is how one direction ended, and what it moved.
type Way struct {
	Moved int64
	Err   error
}

// New makes a Tie, which moves nothing before Start.
func New(near, far net.Conn, o Options) *Tie {
	t := &Tie{o: o, ends: [2]net.Conn{near, far}}
	t.open.Store(2)
	t.ways[0] = way{tie: t, src: near, dst: far}
	t.ways[1] = way{tie: t, src: far, dst: near}
	return t
}

// descriptor is a socket's number, -1 for what is none.
func descriptor(c net.Conn) int {
	number := -1
	if raw := rawConn(c); raw != nil {
		_ = raw.Control(func(fd uintptr) { number = int(fd) }) // a closed one has none
	}
	return number
}

// rawConn returns nil for what is no socket.
func rawConn(c net.Conn) syscall.RawConn {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// Start begins, and returns at once.
func (t *Tie) Start() {
	_, err := thePoller()
	near, far := descriptor(t.ends[0]), descriptor(t.ends[1])
	t.ways[0].from, t.ways[0].to, t.ways[1].from, t.ways[1].to = near, far, far, near
	for i := range t.ways {
		w := &t.ways[i]
		switch {
		case near < 0 || far < 0:
			go w.copy()
		case err != nil:
			w.end(err)
		default:
			w.wait()
		}
	}
}

// Cut ends both ways soon. It may be called at any time, also before Start and after the end,
// and does not wait.
func (t *Tie) Cut() { go t.cut(net.ErrClosed) }

// cut ends the ways that wait, and has those that work end.
func (t *Tie) cut(cause error) {
	if !t.cause.CompareAndSwap(nil, &cause) {
		return
	}
	past := time.Unix(1, 0)
	for _, c := range t.ends {
		_ = c.SetDeadline(past) // who waits in a goroutine; it may be closed by now
	}
	for i := range t.ways {
		if w := &t.ways[i]; w.take() {
			w.end(cause)
		}
	}
}

// why is the reason of a cut instead of what it has caused, if there was one.
func (t *Tie) why(err error) error {
	if cause := t.cause.Load(); cause != nil {
		return *cause
	}
	return err
}

// end is called once by whoever has the way at its end.
func (w *way) end(err error) {
	t := w.tie
	if t.open.Load() == 2 { // the other way goes on
		if err == nil {
			err = closeWrite(w.dst)
		}
		switch {
		case gone(err): // the other way moves what it has said before, and ends by itself, if it is taken
			w.cutLater(cmp.Or(t.o.Linger, lastWords))
		case err != nil:
			t.cut(net.ErrClosed)
		case w == &t.ways[0] && t.o.Linger > 0:
			w.cutLater(t.o.Linger)
		}
	}
	w.result.Err = err
	if t.open.Add(-1) == 0 {
		t.finish()
	}
}

// lastWords is how long what an end has said before it was closed may take to arrive. Tests change it.
var lastWords = time.Minute

// cutLater ends the other way, which may wait for somebody who takes nothing.
func (w *way) cutLater(after time.Duration) {
	w.late = time.AfterFunc(after, func() { w.tie.cut(os.ErrDeadlineExceeded) })
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// gone reports whether a way ended since the other side has closed its connection. On a unix
// socket that is so at once, also for one that has just said all and is not to be lost.
func gone(err error) bool { return errors.Is(err, unix.EPIPE) }

func failed(err error) bool { return err != nil && !gone(err) }

func (t *Tie) finish() {
	for i := range t.ways {
		if late := t.ways[i].late; late != nil {
			late.Stop()
		}
	}
	reset := t.o.Reset && (failed(t.ways[0].result.Err) || failed(t.ways[1].result.Err))
	for _, c := range t.ends {
		if tcp, ok := c.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		c.Close()
	}
	t.o.Over(t.ways[0].result, t.ways[1].result)
}

// copy moves what is no socket.
func (w *way) copy() {
	n, err := io.Copy(w.dst, w.src)
	w.result.Moved = n
	w.end(w.tie.why(err))
}
