package onion

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func TestCallArrives(t *testing.T) {
	f := &Front{TorUID: me()}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", handlerFunc(echo)}})
	call, done := f.Expect(80)
	defer done()
	if err := call.Exchange(dial(proxyLine(1, 80))); err != nil {
		t.Errorf("the call: %v", err)
	}
	if !call.hasArrived() {
		t.Error("the call is not known to have arrived")
	}
	if n := f.Counts(); n.Streams != 0 || n.Active != 0 || n.Refused != 0 {
		t.Errorf("the call counts as a visitor: %+v", n)
	}
	// The secret is good for one stream.
	if err := call.Exchange(dial(proxyLine(1, 80))); err == nil {
		t.Error("the same call was answered twice")
	}
}

// The words may come in pieces, as Tor's cells do.
func TestCallInPieces(t *testing.T) {
	f := &Front{TorUID: me()}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", handlerFunc(echo)}})
	call, done := f.Expect(80)
	defer done()
	c := dial(proxyLine(1, 80))
	for _, b := range call.says {
		c.Write([]byte{b})
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // whoever loses the answer has done so by now
	got := make([]byte, callBytes)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != string(call.answer[:]) {
		t.Errorf("%q, %v", got, err)
	}
}

// Visitors who come while a call is expected lose no byte.
func TestVisitorsDuringACall(t *testing.T) {
	f := &Front{TorUID: me()}
	greet := handlerFunc(func(_ context.Context, c *net.UnixConn, _ Stream) error {
		io.WriteString(c, "220 hello")
		return nil
	})
	dial, _ := start(t, f, map[uint16]Route{80: {"a", handlerFunc(echo)}, 25: {"b", greet}})
	call, done := f.Expect(80)
	defer done()
	_, doneToo := f.Expect(25)
	defer doneToo()
	for _, said := range []string{"GET / HTTP/1.1\r\n\r\n", string(call.says[:5]) + "x", string(call.answer[:])} {
		c := dial(proxyLine(1, 80) + said)
		c.CloseWrite()
		if got, err := io.ReadAll(c); err != nil || string(got) != said {
			t.Errorf("a visitor said %q and got %q, %v", said, got, err)
		}
	}
	// One who waits to be spoken to is kept a little, and then served.
	c := dial(proxyLine(1, 25))
	c.SetDeadline(time.Now().Add(6 * heldFor))
	if got, err := io.ReadAll(c); err != nil || string(got) != "220 hello" {
		t.Errorf("a silent visitor got %q, %v", got, err)
	}
	// At another port nobody is kept, nor does the call work there.
	if err := call.Exchange(dial(proxyLine(1, 25))); !errors.Is(err, ErrElsewhere) {
		t.Errorf("the call at another port: %v", err)
	}
	if n := f.Counts(); n.Streams != 5 {
		t.Errorf("counts: %+v", n)
	}
}

// A call whose caller gave up is no visitor: neither if it arrives a moment
// later, nor if its circuit breaks before it has said a word.
func TestCallThatFails(t *testing.T) {
	f := &Front{TorUID: me()}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", handlerFunc(echo)}})
	call, done := f.Expect(80)
	c := dial(proxyLine(1, 80))
	c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
		t.Errorf("a stream that ends at once got %q, %v", got, err)
	}
	done()
	if err := call.Exchange(dial(proxyLine(1, 80))); err != nil {
		t.Errorf("a late call: %v", err)
	}
	if n := f.Counts(); n.Streams != 0 {
		t.Errorf("counts: %+v", n)
	}
	second, done := f.Expect(80)
	if err := second.Exchange(dial(proxyLine(1, 80))); err != nil {
		t.Errorf("the next call: %v", err)
	}
	done()
	if err := second.Exchange(dial(proxyLine(1, 80))); !errors.Is(err, ErrElsewhere) {
		t.Errorf("a call that nobody expects any more: %v", err)
	}
}

// Limits hold for calls: where no visitor gets in, the box does not either.
func TestCallAtAFullFront(t *testing.T) {
	f := &Front{TorUID: me(), Limits: counting{0}}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", handlerFunc(echo)}})
	call, done := f.Expect(80)
	defer done()
	if err := call.Exchange(dial(proxyLine(1, 80))); err == nil || errors.Is(err, ErrElsewhere) {
		t.Errorf("the call at a full front: %v", err)
	}
}
