package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Pauses after a failed accept: long enough not to spin, short enough that
// nobody notices once there are file descriptors again.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Serve accepts connections from ln and has ep serve each, within the limits
// of lim; visitor says who is calling. It returns nil after ctx ended, or an
// error that says why ln can accept no more, in both cases with ln closed and
// all connections closed and finished. A shortage of file descriptors or
// memory is waited out, and a panic costs the one connection that it is in.
func Serve(ctx context.Context, ln net.Listener, ep Endpoint, lim *Limiter, visitor func(net.Conn) Visitor, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer conns.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	defer ln.Close()

	var pause time.Duration
	for {
		c, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			conns.Go(func() { ServeOne(ctx, c, ep, visitor(c), lim, log) })
		case ctx.Err() != nil:
			return nil
		case !passing(err):
			return fmt.Errorf("accepting connections for %s: %w", ep.Name(), err)
		default:
			level := slog.LevelDebug
			if pause == 0 {
				level = slog.LevelWarn // the first of a row; the others would fill the log
			}
			pause = min(max(2*pause, minPause), maxPause)
			log.Log(ctx, level, "accept failed, trying again", "endpoint", ep.Name(), "pause", pause, "err", withoutAddresses(err))
			sleep(ctx, pause)
		}
	}
}

// ServeOne serves one connection as Serve does and closes it: for a caller
// that accepts connections itself, such as the front of an onion. If the
// limits leave no room, c is closed at once.
func ServeOne(ctx context.Context, c net.Conn, ep Endpoint, v Visitor, lim *Limiter, log *slog.Logger) {
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	release, ok := lim.Enter(v.ID, func() { cancel(); c.Close() }) // what was begun for it ends too
	if !ok {
		return
	}
	defer release()
	defer recoverConn(ep.Name(), lim, log)

	limits := lim.Limits()
	if limits.Total > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limits.Total)
		defer cancel()
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	served := c
	if limits.Idle > 0 {
		served = &idleConn{Conn: c, idle: limits.Idle}
	}
	if err := ep.ServeConn(ctx, served, v); err != nil {
		log.Debug("conversation ended early", "endpoint", ep.Name(), "err", withoutAddresses(err))
	}
}

// recoverConn turns a panic into a count and a log line. The value of the
// panic is logged only if it comes from the runtime: another could quote what
// the visitor sent.
func recoverConn(name string, lim *Limiter, log *slog.Logger) {
	p := recover()
	if p == nil {
		return
	}
	lim.panics.Add(1)
	reason := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		reason = err.Error()
	}
	log.Error("conversation panicked", "endpoint", name, "panic", reason, "stack", string(debug.Stack()))
}

// passing reports whether accept(2) may succeed later on the same listener:
// shortages, and errors of the one connection that was about to be accepted.
func passing(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains([]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.EINTR, syscall.EAGAIN, syscall.EPERM, syscall.EPROTO,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
		syscall.ENONET, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP,
	}, errno)
}

// withoutAddresses cuts an error down to the part that names no address.
func withoutAddresses(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
