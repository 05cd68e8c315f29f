package onion

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// visitors is a Share under test that remembers whom it cut.
type visitors struct {
	*Share
	cut []uint32
}

func (v *visitors) enter(circuit uint32, n int) (in int, leave []func()) {
	for range n {
		if l, ok := v.Enter(circuit, func() { v.cut = append(v.cut, circuit) }); ok {
			in, leave = in+1, append(leave, l)
		}
	}
	return in, leave
}

func TestShare(t *testing.T) {
	v := &visitors{Share: NewShare(4, 10)}
	if in, _ := v.enter(1, 10_000); in != 4 {
		t.Errorf("one circuit has %d streams", in)
	}
	in, leave := v.enter(2, 9)
	if in != 4 || len(v.cut) != 0 {
		t.Errorf("another has %d, cut %v", in, v.cut)
	}
	// 1 and 2 have 4 each. A third takes what is free, then what others have
	// more than it.
	if in, _ := v.enter(3, 4); in != 3 || len(v.cut) != 1 || v.Open() != 10 {
		t.Errorf("a third has %d, cut %v, open %d", in, v.cut, v.Open())
	}
	for id := uint32(4); id <= 10; id++ {
		if in, _ := v.enter(id, 1); in != 1 || v.Open() != 10 {
			t.Errorf("circuit %d has %d, open %d", id, in, v.Open())
		}
	}
	if in, _ := v.enter(11, 1); in != 0 {
		t.Error("there was room for an eleventh where each has one")
	}
	for _, l := range leave { // of streams most of which are cut
		l()
	}
	if v.Open() != 9 {
		t.Errorf("open %d", v.Open())
	}
}

// A flood of one circuit, streams that say nothing, and a target that never
// answers: others are served, and places come back.
func TestAbuse(t *testing.T) {
	const perCircuit, total = 8, 32
	f := &Front{TorUID: me(), Limits: NewShare(perCircuit, total)}
	never := Relay{Dial: func(ctx context.Context, _ uint32) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", Relay{Dial: dialTo(echoServer(t))}}, 81: {"b", never}})
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
	end := time.Now().Add(10 * time.Second)
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
