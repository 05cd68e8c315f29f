package onion

import (
	"io"
	"net"
	"testing"
	"time"

	"tunic/internal/bench"
	"tunic/internal/sockets"
)

// TestIdleStreams measures the process of a front with a thousand of them.
func TestIdleStreams(t *testing.T) { bench.CheckIdle(t, idle) }

// idle says what a stream takes in bytes and open files.
func idle(t testing.TB) (memory int, files float64) {
	t.Helper()
	const streams = 1000
	target := sockets.Serve(t, sockets.Echo).String()
	c := startFront(t, target)
	open := func(n int) {
		for range n {
			conn, err := net.Dial("unix", c.Said)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			conn.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(conn, proxyLine(1, 80)+"hello")
			if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c.Idle(t, streams, open)
}
