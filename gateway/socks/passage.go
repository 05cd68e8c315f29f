package socks

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"tunic/gateway/splice"
)

// passage is a connection that leads somewhere. Each direction has a goroutine of its own,
// begun after the handshake, so that what waits has none of the stack that a handshake
// takes (see splice.Move).
type passage struct {
	s                *Server
	client, upstream *net.TCPConn
	early            []byte // is sent before all that comes from the device
	leave            func()
	stop             func() bool
	directions       atomic.Int32 // that are not over
}

// relay copies both ways, until both ends are done or one fails, and then closes both. It
// returns at once.
func (t *conversation) relay(running *sync.WaitGroup, leave func()) {
	x := &passage{s: t.Server, client: t.client, upstream: t.upstream, early: t.early, leave: leave}
	x.directions.Store(2)
	x.stop = context.AfterFunc(t.ctx, x.close)
	running.Go(x.up)
	running.Go(x.down)
}

func (x *passage) close() {
	x.client.Close()
	x.upstream.Close()
}

// end is deferred by each direction.
func (x *passage) end() {
	if x.directions.Add(-1) > 0 {
		return
	}
	x.stop()
	x.close()
	x.leave()
}

// survive is deferred by each direction: a panic ends the other one too.
func (x *passage) survive() {
	if recover() != nil {
		x.s.panicked()
		x.close()
	}
}

func (x *passage) up() {
	defer x.end()
	defer x.survive()
	if len(x.early) > 0 && !x.sendEarly() {
		return
	}
	n, err := splice.Move(x.upstream, x.client, 0)
	x.s.counts.up.Add(uint64(n))
	x.over(x.upstream, err)
}

// sendEarly reports whether the stream goes on.
//
//go:noinline
func (x *passage) sendEarly() bool {
	n, err := x.upstream.Write(x.early)
	x.early = nil
	x.s.counts.up.Add(uint64(n))
	abort(err, x.client, x.upstream)
	return err == nil
}

func (x *passage) down() {
	defer x.end()
	defer x.survive()
	n, err := splice.Move(x.client, x.upstream, 0)
	x.s.counts.down.Add(uint64(n))
	x.over(x.client, err)
}

// over passes the end of a direction on.
//
//go:noinline
func (x *passage) over(to *net.TCPConn, err error) {
	if err == nil {
		err = to.CloseWrite()
	}
	abort(err, x.client, x.upstream)
}

// abort passes a failure on as a reset on both ends: a plain close would make
// a cut download look like a whole one.
func abort(err error, ends ...*net.TCPConn) {
	if err == nil {
		return
	}
	for _, c := range ends {
		c.SetLinger(0)
		c.Close()
	}
}
