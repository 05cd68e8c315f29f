package socks

import (
	"io"
	"net"
	"testing"
	"time"
)

// What a stream may cost that is open and on which nothing moves: it has said and heard a
// word before.
const (
	idleBytes = 5 << 10
	idleFiles = 2 // both sockets, and no pipe
)

// TestIdleStreams measures the process of a proxy with a thousand of them.
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
	c := startProxy(t, newFakeTor(t).ln.Addr().String())
	fill := func(n int) {
		for range n {
			conn, err := net.Dial("tcp4", c.Said)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			if code := open(t, conn, requestTo("example.com", 80)); code != 0 {
				t.Fatalf("reply %d", code)
			}
			io.WriteString(conn, "hello")
			if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c.Idle(t, streams, fill)
}
