package serve

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// How long the streams of a serve that takes no new ones go on: until they end, and no
// longer than drainMost. drainLook is between two looks whether there are any.
const (
	drainMost = time.Hour
	drainLook = 2 * time.Second
)

// door is a listener that can stop taking connections and leave those that came
// through it alone: whoever accepts there waits until it is closed.
type door struct {
	net.Listener
	shut   context.Context // ended when nobody comes in any more
	forget func() bool     // it is closed before that
	closed chan struct{}
	once   sync.Once
}

// listen takes over a socket on which connections come.
func (s *Server) listen(f *os.File) (*door, error) {
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("taking over the listener: %w", err)
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path is the parent's
	}
	return &door{Listener: ln, shut: s.accepting, closed: make(chan struct{}),
		forget: context.AfterFunc(s.accepting, func() { ln.Close() })}, nil
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil && d.shut.Err() != nil {
		<-d.closed
		return nil, net.ErrClosed
	}
	return c, err
}

// AcceptUnix implements onion.Listener.
func (d *door) AcceptUnix() (*net.UnixConn, error) {
	c, err := d.Accept()
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("accepting streams: a %T came", c)
	}
	return u, nil
}

// Close implements net.Listener.
func (d *door) Close() error {
	d.once.Do(func() { d.forget(); close(d.closed) })
	return d.Listener.Close()
}

// untilShut ends with ctx, and when this process takes nothing new.
func (s *Server) untilShut(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	forget := context.AfterFunc(s.accepting, cancel)
	context.AfterFunc(ctx, func() { forget() })
	return ctx
}

// rest gives up what only one serve of a house can do: to have the mail, and to call
// friends. The next apply begins with it again.
func (s *Server) rest(ctx context.Context, _ struct{}) (none struct{}, err error) {
	s.smtp.replace(nil)
	s.dialer.Set(ctx, noPeers)
	return none, nil
}

// drain takes nothing new. What has come in goes on, also when the parent goes away;
// this process ends when all of it has, or its time is over. It returns how many
// streams there are.
func (s *Server) drain(ctx context.Context, _ struct{}) (int, error) {
	if _, err := s.rest(ctx, struct{}{}); err != nil {
		return 0, err
	}
	s.shut()
	go s.waitDrained(ctx)
	return s.active(), nil
}

func (s *Server) waitDrained(ctx context.Context) {
	defer close(s.drained)
	defer func() { s.parent.Load().Close() }()
	end := time.Now().Add(drainMost)
	for time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(drainLook):
		}
		if s.active() == 0 {
			return
		}
	}
}

// active counts the streams that go through this process.
func (s *Server) active() int {
	n := s.socks.Stats().Active
	s.mu.Lock()
	for _, f := range s.fronts {
		n += f.Counts().Active
	}
	s.mu.Unlock()
	for _, one := range slices.Concat(s.household.counts(), s.waiting.counts(), s.services.limits.counts()) {
		n += one.Active
	}
	return n
}
