package onion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/splice"
)

// proxyLineTimeout is generous: tor writes the line at once.
const proxyLineTimeout = 10 * time.Second

// torBuffer is what may wait for tor on one stream, in bytes; the kernel's limit
// (net.core.wmem_max) may be lower. On a busy box tor comes back for more before
// this process gets its turn, and a download through the front would be slower
// than one without it.
const torBuffer = 256 << 10

// acceptPause lets descriptors come back after a failed accept.
const acceptPause = 100 * time.Millisecond

// Front is the listener behind one onion: it checks that tor is calling,
// gives each circuit its own identity, limits, counts and hands each stream
// to the handler of the port that the visitor dialled.
type Front struct {
	TorUID uint32 // the only uid whose connections are served
	Limits Limiter
	Log    *slog.Logger

	patience time.Duration // for tests: instead of proxyLineTimeout

	mu     sync.Mutex
	routes map[uint16]*route
	calls  map[*Call]struct{} // that are expected
	active sync.WaitGroup

	streams, refused, panics atomic.Uint64
	open                     atomic.Int64
}

// Route is where one virtual port leads. Key tells whether two routes lead
// to the same place.
type Route struct {
	Key     string
	Handler Handler
}

type route struct {
	Route
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	last   error
	visits map[*visit]struct{}
}

// enter remembers a stream, which is cut when the route has no right to it any more.
func (r *route) enter(v *visit) {
	r.mu.Lock()
	r.visits[v] = struct{}{}
	r.mu.Unlock()
	if r.ctx.Err() != nil { // cutAll may have been before
		v.Cut()
	}
}

func (r *route) exit(v *visit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.visits, v)
}

// cutAll cuts all streams, when the context of the route has ended.
func (r *route) cutAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for v := range r.visits {
		v.Cut()
	}
}

// Counts are a front's numbers since it was made.
type Counts struct {
	Streams, Refused, Panics uint64
	Active                   int
}

// Counts returns the numbers so far.
func (f *Front) Counts() Counts {
	return Counts{Streams: f.streams.Load(), Refused: f.refused.Load(), Panics: f.panics.Load(), Active: int(f.open.Load())}
}

// SetRoutes replaces the ports. Streams whose port is gone or leads elsewhere
// are cut; all others go on.
func (f *Front) SetRoutes(ctx context.Context, routes map[uint16]Route) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make(map[uint16]*route, len(routes))
	for port, r := range routes {
		if old := f.routes[port]; old != nil && old.Key == r.Key {
			next[port] = old
			delete(f.routes, port)
			continue
		}
		n := &route{Route: r, visits: make(map[*visit]struct{})}
		n.ctx, n.cancel = context.WithCancel(ctx)
		context.AfterFunc(n.ctx, n.cutAll)
		next[port] = n
	}
	for _, gone := range f.routes {
		gone.cancel()
	}
	f.routes = next
}

// LastError says why the last stream to a port failed, nil if it did not.
func (f *Front) LastError(port uint16) error {
	r := f.route(port)
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (f *Front) route(port uint16) *route {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.routes[port]
}

// Listener is what a Front accepts on: a *net.UnixListener, or what stands before one.
type Listener interface {
	AcceptUnix() (*net.UnixConn, error)
	Close() error
}

// Serve accepts until ctx ends, then cuts the streams and waits for them.
func (f *Front) Serve(ctx context.Context, ln Listener) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer func() { f.SetRoutes(ctx, nil); f.active.Wait() }()
	for {
		c, err := ln.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if c != nil {
				c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accepting streams: %w", err)
		case err != nil:
			f.Log.Warn("accepting a stream failed", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		f.active.Add(1)
		go f.serve(ctx, c)
	}
}

// starter returns what starts streams of a port without goroutines, nil if they need some.
func starter(r *route) Starter {
	if r != nil {
		if h, ok := r.Handler.(Starter); ok && h.Starts() {
			return h
		}
	}
	return nil
}

// visit is a stream that was let in.
type visit struct {
	splice.Cutter
	f      *Front
	route  *route
	stream Stream
	c      *net.UnixConn
	leave  func()
}

// serve lets a stream in. What is relayed has no goroutine from then on, anything else gets
// one with another stack than the one that this took.
func (f *Front) serve(ctx context.Context, c *net.UnixConn) {
	r, s := f.admit(c)
	if r == nil || ctx.Err() != nil {
		f.end(c)
		return
	}
	v := &visit{f: f, route: r, stream: s, c: c}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.ctx)) // v.Cut follows r.ctx, at less cost
	v.By(func() { cancel(); c.Close() })
	leave, ok := f.Limits.Enter(s.Circuit, v.Cut)
	if !ok {
		f.refused.Add(1) // it counts before the visitor sees the end
		v.Cut()
		f.active.Done()
		return
	}
	if f.answered(c, s.Port) {
		v.Cut()
		leave()
		f.active.Done()
		return
	}
	f.streams.Add(1)
	f.open.Add(1)
	v.leave = leave
	r.enter(v)
	if h := starter(r); h != nil {
		v.start(ctx, h)
		cancel()
		return
	}
	go v.run(ctx)
}

// start is for what needs no goroutine.
func (v *visit) start(ctx context.Context, h Starter) {
	defer func() {
		if p := recover(); p != nil {
			v.f.panicked(p)
			v.over(nil)
		}
	}()
	if err := h.StartStream(ctx, v.c, v.stream, v.By, v.over); err != nil {
		v.over(err)
	}
}

// run is for what needs one.
func (v *visit) run(ctx context.Context) {
	var err error
	defer func() {
		v.f.panicked(recover()) // it counts before the visitor sees the end
		v.Cut()
		v.over(err)
	}()
	err = v.route.Handler.ServeStream(ctx, v.c, v.stream)
}

// over is called once, when a stream has ended.
func (v *visit) over(err error) {
	v.route.exit(v)
	v.f.note(v.route, v.stream, err)
	v.leave()
	v.f.open.Add(-1)
	v.f.end(v.c)
}

// end is the end of a stream.
func (f *Front) end(c *net.UnixConn) {
	c.Close()
	f.active.Done()
}

// admit returns the port that a stream is for, nil if it is refused.
func (f *Front) admit(c *net.UnixConn) (*route, Stream) {
	if err := f.checkPeer(c); err != nil {
		f.refused.Add(1)
		f.Log.Warn("refused a connection to a front", "error", err)
		return nil, Stream{}
	}
	c.SetReadDeadline(time.Now().Add(cmp.Or(f.patience, proxyLineTimeout)))
	s, err := readProxyLine(c, func(s Stream) bool { return starter(f.route(s.Port)) != nil && len(f.expected(s.Port)) == 0 })
	if err != nil {
		f.refused.Add(1)
		f.Log.Debug("refused a stream", "error", err)
		return nil, Stream{}
	}
	c.SetReadDeadline(time.Time{})
	r := f.route(s.Port)
	switch {
	case r == nil:
		f.refused.Add(1)
	case starter(r) == nil: // else it is set when there is much
		_ = c.SetWriteBuffer(torBuffer) // a smaller one works too
	}
	return r, s
}

// panicked makes a panic cost one stream and no more.
func (f *Front) panicked(p any) {
	if p != nil {
		f.panics.Add(1)
		f.Log.Error("a stream ended in a panic", "panic", p, "stack", string(debug.Stack()))
	}
}

// note keeps how a stream ended.
func (f *Front) note(r *route, s Stream, err error) {
	r.mu.Lock()
	r.last = err
	r.mu.Unlock()
	if err != nil {
		f.Log.Debug("a stream ended with an error", "port", s.Port, "error", err)
	}
}

// checkPeer refuses every process but tor (SO_PEERCRED, unix(7)).
func (f *Front) checkPeer(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if credErr != nil {
		return fmt.Errorf("asking who is calling: %w", credErr)
	}
	if cred.Uid != f.TorUID {
		return fmt.Errorf("uid %d is not tor's", cred.Uid)
	}
	return nil
}
