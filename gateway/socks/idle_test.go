package socks

import (
	"io"
	"net"
	"testing"
	"time"

	"tunic/internal/bench"
)

// TestIdleStreams measures the process of a proxy with a thousand of them.
func TestIdleStreams(t *testing.T) { bench.CheckIdle(t, idle) }

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
			conn.SetDeadline(time.Now().Add(time.Minute))
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
