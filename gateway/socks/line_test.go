package socks

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/internal/sockets"
)

// Who comes while as many wait at tor's socket as may is let in when there is room, as with a port of TCP.
func TestFullLine(t *testing.T) {
	ln, at := shortLine(t)
	for full := false; !full; {
		c, err := net.DialUnix("unix", nil, at)
		switch {
		case err == nil:
			defer c.Close()
		case errors.Is(err, unix.EAGAIN):
			full = true
		default:
			t.Fatal(err)
		}
	}
	s := &Server{Options: Options{DialTor: func(ctx context.Context) (*net.UnixConn, error) {
		return new(net.Dialer).DialUnix(ctx, "unix", nil, at)
	}}}
	short, cancel := context.WithTimeout(t.Context(), 5*fullLine)
	defer cancel()
	if c, err := s.reachTor(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a line that stays full: %v, %v", c, err)
	}
	time.AfterFunc(5*fullLine, func() {
		if c, err := ln.Accept(); err == nil {
			c.Close()
		}
	})
	long, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := s.reachTor(long)
	if err != nil {
		t.Fatalf("it did not wait for its turn: %v", err)
	}
	c.Close()
}

// shortLine is a unix socket at which hardly anybody can wait.
func shortLine(t *testing.T) (net.Listener, *net.UnixAddr) {
	t.Helper()
	at := &net.UnixAddr{Name: sockets.Path(t), Net: "unix"}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: at.Name}), unix.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	ln, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln, at
}
