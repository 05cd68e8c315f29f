package onion

import (
	"io"
	"net"
	"testing"
	"time"
)

// What a stream may cost that is open and on which nothing moves: it has said
// and heard a word before.
const (
	idleBytes = 5 << 10
	idleFiles = 2 // both sockets, and no pipe
)

// TestIdleStreams measures the process of a front with a thousand of them.
func TestIdleStreams(t *testing.T) {
	if underRace {
		t.Skip("the race detector takes memory for itself")
	}
	perStream, perFiles := idle(t)
	if perStream > idleBytes || perFiles > idleFiles+0.1 {
		t.Errorf("an idle stream takes %d bytes and %.2f open files", perStream, perFiles)
	}
}

// idle says what a stream takes in bytes and open files.
func idle(t testing.TB) (memory int, files float64) {
	t.Helper()
	const streams = 1000
	target := echoServer(t)
	c := startFront(t, target)
	open := func(n int) {
		for range n {
			conn, err := net.Dial("unix", c.Said)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(conn, proxyLine(1, 80)+"hello")
			if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c.Idle(t, streams, open)
}

// echoServer says back what it hears.
func echoServer(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return ln.Addr().String()
}
