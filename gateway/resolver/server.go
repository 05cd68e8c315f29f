package resolver

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

// stopGrace is how long Serve waits for answers under way when it ends.
const stopGrace = 2 * time.Second

// answerGrace is how long ServeUntil waits for them: Tor takes its time.
const answerGrace = 30 * time.Second

// Serve answers on udp and tcp until ctx ends, then closes both and returns
// nil; it returns an error if one of them fails before. It may run several
// times at once, for several interfaces; the limits count for all together,
// and the device that has most makes room (fair.Share).
//
// udp must be a *net.UDPConn: each answer then leaves from the address that
// was asked, also on a wildcard socket.
func (r *Resolver) Serve(ctx context.Context, udp net.PacketConn, tcp net.Listener) error {
	return r.ServeUntil(ctx, context.Background(), udp, tcp)
}

// ServeUntil is Serve that takes no more questions once shut has ended, and returns
// when those that have come are answered.
func (r *Resolver) ServeUntil(ctx, shut context.Context, udp net.PacketConn, tcp net.Listener) error {
	return handler{Resolver: r}.serve(ctx, shut, udp, tcp)
}

// ServeBox is ServeUntil for programs of the box itself, whatever address their
// questions have: what the rules redirect keeps the one of the interface on which it
// would have left.
func (r *Resolver) ServeBox(ctx, shut context.Context, udp net.PacketConn, tcp net.Listener) error {
	return handler{Resolver: r, box: true}.serve(ctx, shut, udp, tcp)
}

func (h handler) serve(ctx, shut context.Context, udp net.PacketConn, tcp net.Listener) error {
	defer udp.Close()
	defer tcp.Close()
	conn, ok := udp.(*net.UDPConn)
	if !ok {
		return fmt.Errorf("serving DNS: a %T cannot answer from the address that was asked", udp)
	}
	g, ctx := errgroup.WithContext(ctx)
	h.ctx = ctx
	g.Go(func() error { return h.serveUDP(ctx, shut, conn) })
	g.Go(func() error {
		return run(ctx, shut, &dns.Server{
			Listener: &listener{Listener: tcp, r: h.Resolver, ctx: ctx}, Handler: h, MsgAcceptFunc: accept,
			ReadTimeout: tcpIdle, IdleTimeout: func() time.Duration { return tcpIdle },
		})
	})
	return g.Wait()
}

// run serves until ctx or shut ends, or the server fails.
func run(ctx, shut context.Context, s *dns.Server) error {
	started := make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	done := make(chan error, 1)
	go func() { done <- s.ActivateAndServe() }()
	select {
	case err := <-done:
		return fmt.Errorf("serving DNS: %w", err)
	case <-started:
	}
	select {
	case err := <-done:
		return fmt.Errorf("serving DNS: %w", err)
	case <-ctx.Done():
	case <-shut.Done():
	}
	grace := stopGrace
	if ctx.Err() == nil {
		grace = answerGrace
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.ShutdownContext(stop); err != nil {
		return fmt.Errorf("stopping DNS: %w", err)
	}
	return nil
}

// listener bounds TCP connections, and pauses when accepting fails: the server
// on top of it would try again at once, for ever.
type listener struct {
	net.Listener
	r   *Resolver
	ctx context.Context
}

// acceptPause is long enough for descriptors to come free again.
const acceptPause = 100 * time.Millisecond

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			select {
			case <-l.ctx.Done():
			case <-time.After(acceptPause):
			}
			return nil, err
		}
		if leave, ok := l.r.conns.Enter(l.r.Devices.OfConn(c.RemoteAddr()), func() { c.Close() }); ok {
			return &conn{Conn: c, leave: leave}, nil
		}
		l.r.counts.refused.Add(1)
		c.Close()
	}
}

// conn counts itself out when it is closed, and gives up a client that does
// not take its answer.
type conn struct {
	net.Conn
	leave func()
}

func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(tcpIdle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}
