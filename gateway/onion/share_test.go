package onion

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"tunic/internal/sockets"
)

// A flood of one circuit, streams that say nothing, and a target that never
// answers: others are served, and places come back.
func TestAbuse(t *testing.T) {
	const perCircuit, total = 8, 32
	f := &Front{TorUID: me(), Limits: NewShare(perCircuit, total)}
	never := Relay{Dial: func(ctx context.Context, _ uint32) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", Relay{Dial: dialTo(sockets.Serve(t, sockets.Echo).String())}}, 81: {"b", never}})
	served := 0
	for range 500 {
		c := dial(proxyLine(1, 80) + "hello")
		if _, err := io.ReadFull(c, make([]byte, 5)); err == nil {
			served++
		}
	}
	if served != perCircuit {
		t.Errorf("%d streams of one circuit are served", served)
	}
	// With as many circuits as it takes to fill everything, on the port that
	// never answers.
	var waiting []*net.UnixConn
	for circuit := uint32(2); circuit < 12; circuit++ {
		for range perCircuit {
			waiting = append(waiting, dial(proxyLine(circuit, 81)))
		}
	}
	for circuit := uint32(100); circuit < 110; circuit++ {
		c := dial(proxyLine(circuit, 80) + "hello")
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Errorf("another visitor is not served: %v", err)
		}
		c.Close()
	}
	// Those that were cut to make room may still be on their way out.
	end := time.Now().Add(time.Minute)
	for f.Counts().Active > total && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
	}
	if open := f.Counts().Active; open > total {
		t.Errorf("%d streams are open", open)
	}
	for _, c := range waiting {
		c.Close()
	}
}

// A connection that never says which circuit it is of is closed after a while.
func TestHalfOpen(t *testing.T) {
	f := &Front{TorUID: me(), patience: 50 * time.Millisecond}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", handlerFunc(echo)}})
	c := dial("PROXY TCP6 ")
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("half a line: %v", err)
	}
}
