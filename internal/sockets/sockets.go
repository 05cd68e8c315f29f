// Package sockets is what tests share that speak over TCP on this machine: servers that
// answer each connection in a way of their own, and connections of which they hold both ends.
package sockets

import (
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// Serve listens on 127.0.0.1 as a server would, until the test ends, and has each connection
// answered by itself, which is closed when that returns.
func Serve(t testing.TB, answer func(net.Conn)) netip.AddrPort {
	t.Helper()
	ln := listen(t)
	t.Cleanup(func() { ln.Close() })
	go Answer(ln, answer)
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// ServeUnix is Serve on a unix socket, whose path it returns.
func ServeUnix(t testing.TB, answer func(net.Conn)) string {
	t.Helper()
	ln := ListenUnix(t)
	go Answer(ln, answer)
	return ln.Addr().String()
}

// Path is one for a unix socket, until the test ends: t.TempDir's may be longer than a
// socket's can be.
func Path(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// ListenUnix is a unix socket that is closed when the test ends.
func ListenUnix(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("unix", Path(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// Answer has each connection of a listener answered by itself, and closes it when that returns.
// It returns when the listener is closed.
func Answer(ln net.Listener, answer func(net.Conn)) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			answer(c)
		}()
	}
}

// Echo is an answer: it says back what it hears, until the other side has said all. Bytes go
// through its own memory: for a word that is cheaper than a pipe of the kernel.
func Echo(c net.Conn) {
	_, _ = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 4<<10))
}

// Pair are both ends of a connection, which are closed when the test ends.
func Pair(t testing.TB) (dialled, accepted *net.TCPConn) {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	c, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	d, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
