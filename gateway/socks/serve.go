package socks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/device"
	"tunic/gateway/splice"
)

// acceptPause is how long accepting rests after an error, such as too many
// open files: long enough for descriptors to come free.
const acceptPause = 100 * time.Millisecond

// keepAlive finds devices that have gone without a word; streams have no idle
// limit, as chat and remote shells are silent for hours. net has switched it on already,
// with times for a data centre: only they are set.
func keepAlive(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	const idle, interval, count = 120, 30, 4 // seconds, seconds
	_ = raw.Control(func(fd uintptr) {       // an old kernel's defaults are good enough
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, idle)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, interval)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, count)
	})
}

// Serve accepts connections on ln until ctx ends, waits up to Options.Grace
// for those that it accepted, closes the rest and returns nil. It returns an
// error if ln is closed by somebody else. It closes ln. It may run several
// times at once, for several listeners; the limits count for all
// together, and the device that has most makes room (fair.Share).
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer ln.Close()
	// Streams outlive ctx by the grace time.
	streams, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var running sync.WaitGroup
	err := s.accept(ctx, ln, func(c *net.TCPConn, cut *splice.Cutter, leave func()) {
		running.Go(func() { s.handle(streams, &running, c, cut, leave) })
	})
	s.drain(&running, cut)
	return err
}

// accept calls start with each connection that is within the limits.
func (s *Server) accept(ctx context.Context, ln net.Listener, start func(*net.TCPConn, *splice.Cutter, func())) error {
	failing := false
	for {
		c, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accepting SOCKS connections: %w", err)
		case err != nil:
			if !failing {
				s.Log.Warn("accepting SOCKS connections fails", "error", err)
			}
			failing = true
			pause(ctx, acceptPause)
			continue
		}
		failing = false
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			c.Close()
			return fmt.Errorf("accepting SOCKS connections: the listener gives a %T, not TCP", c)
		}
		cut := new(splice.Cutter)
		cut.By(func() { tcp.Close() })
		if leave, ok := s.share.Enter(s.Devices.OfConn(tcp.RemoteAddr()), cut.Cut); ok {
			s.counts.conns.Add(1)
			start(tcp, cut, leave)
		} else {
			s.counts.refused.Add(1)
			tcp.Close()
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// addressOf returns the device's address, by which its streams are kept apart
// from those of others.
func addressOf(c *net.TCPConn) netip.Addr { return device.Addr(c.RemoteAddr()).WithZone("") }

// handle serves one connection and closes it, unless it becomes a stream, which closes
// itself. A panic costs no other one.
func (s *Server) handle(ctx context.Context, running *sync.WaitGroup, c *net.TCPConn, cut *splice.Cutter, leave func()) {
	stop := context.AfterFunc(ctx, cut.Cut)
	over := func() { stop(); leave() }
	handed := false
	defer func() {
		if !handed {
			c.Close()
			over()
		}
	}()
	defer s.recover()
	c.SetDeadline(time.Now().Add(s.HandshakeTimeout))
	t := s.converse(ctx, c, addressOf(c))
	if t.upstream != nil && t.sendEarly() {
		keepAlive(c)
		handed = true
		t.relay(running, cut, over)
	}
}

// recover is deferred in each goroutine that handles strangers' bytes.
func (s *Server) recover() {
	if recover() != nil {
		s.panicked()
	}
}

func (s *Server) panicked() {
	s.counts.panics.Add(1)
	s.Log.Error("serving a SOCKS connection panicked", "stack", string(debug.Stack()))
}

// drain waits for the connections up to the grace time, then cuts them.
func (s *Server) drain(running *sync.WaitGroup, cut context.CancelFunc) {
	timer := time.AfterFunc(s.Grace, cut)
	defer timer.Stop()
	running.Wait()
}
