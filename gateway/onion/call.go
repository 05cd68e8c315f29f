package onion

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrElsewhere is returned by Call.Exchange when what answers at the onion is
// not this front.
var ErrElsewhere = errors.New("something answers at the onion's address, but not here")

// heldFor is how long a stream may take to show whether it is a call, while
// one is expected at its port. A visitor who waits for the server to speak
// first waits this long if it comes in just that moment.
const heldFor = 5 * time.Second

// callBytes is the length of what a call says, and of what it is told: 32
// letters and a line end, which is harmless wherever else it should arrive.
const callBytes = 2*16 + 2

// Call is one call of the box to its own onion, through Tor. Nobody else can
// make it: what it says, and what the front answers, is random.
type Call struct {
	port         uint16
	says, answer [callBytes]byte
	arrived      chan struct{}
	once         sync.Once
}

func newCall(port uint16) *Call {
	c := &Call{port: port, arrived: make(chan struct{})}
	for _, text := range []*[callBytes]byte{&c.says, &c.answer} {
		var secret [(callBytes - 2) / 2]byte
		rand.Read(secret[:]) // never fails
		hex.Encode(text[:], secret[:])
		copy(text[callBytes-2:], "\r\n")
	}
	return c
}

// Exchange makes the call on a connection to the onion. Its error is
// ErrElsewhere if the connection leads to somebody else. The caller sets the
// deadline.
func (c *Call) Exchange(conn net.Conn) error {
	if _, err := conn.Write(c.says[:]); err != nil {
		return fmt.Errorf("calling the front: %w", err)
	}
	var got [callBytes]byte
	if n, err := io.ReadFull(conn, got[:]); err != nil && (n == 0 || c.hasArrived()) {
		return fmt.Errorf("waiting for the front's answer: %w", err)
	}
	if subtle.ConstantTimeCompare(got[:], c.answer[:]) != 1 {
		return ErrElsewhere
	}
	return nil
}

func (c *Call) hasArrived() bool {
	select {
	case <-c.arrived:
		return true
	default:
		return false
	}
}

// Expect makes the front answer one call to the port by itself, until done is
// called. The call reaches no handler and counts as no visitor; nor does one
// that arrives in the moment after its caller gave up, or whose circuit breaks
// before it has said a word.
func (f *Front) Expect(port uint16) (c *Call, done func()) {
	c = newCall(port)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = make(map[*Call]struct{})
	}
	f.calls[c] = struct{}{}
	forget := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.calls, c)
	}
	return c, func() {
		if c.hasArrived() {
			forget()
			return
		}
		time.AfterFunc(heldFor, forget)
	}
}

// expected are the calls that may come to a port now.
func (f *Front) expected(port uint16) (list []*Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.calls {
		if c.port == port && !c.hasArrived() {
			list = append(list, c)
		}
	}
	return list
}

// answered reports whether the stream was one of the box's own calls, which is
// then over. Of any other stream no byte has been taken.
func (f *Front) answered(c *net.UnixConn, port uint16) bool {
	calls := f.expected(port)
	if len(calls) == 0 {
		return false
	}
	c.SetReadDeadline(time.Now().Add(heldFor))
	said, ended := peekCall(c, calls)
	c.SetReadDeadline(time.Time{})
	if ended {
		return true
	}
	for _, call := range calls {
		if subtle.ConstantTimeCompare(said, call.says[:]) == 1 {
			call.once.Do(func() { close(call.arrived) })
			call.reply(c)
			return true
		}
	}
	return false
}

// reply takes what the call said off the stream, for a socket that is closed
// with something unread resets and can lose the answer, and waits for the
// caller to hang up.
func (call *Call) reply(c *net.UnixConn) {
	c.SetDeadline(time.Now().Add(heldFor))
	if _, err := io.ReadFull(c, make([]byte, callBytes)); err != nil {
		return
	}
	if _, err := c.Write(call.answer[:]); err == nil && c.CloseWrite() == nil {
		io.Copy(io.Discard, c)
	}
}

// peekCall waits until the stream's first bytes are those of a call, or can be
// none any more, and takes nothing. It returns what there is, and whether the
// stream ended without a word: then nobody is left to be served, since Tor
// closes both directions at once (tor-spec, "Closing streams").
func peekCall(c *net.UnixConn, calls []*Call) (said []byte, ended bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, false
	}
	var buf [callBytes]byte
	var n int
	_ = raw.Read(func(fd uintptr) bool { // its error is the deadline's, or Peek's own
		var err error
		n, _, err = unix.Recvfrom(int(fd), buf[:], unix.MSG_PEEK)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			n = 0
			return false
		}
		ended = err == nil && n == 0
		return err != nil || n == 0 || n == len(buf) || !beginsCall(buf[:n], calls)
	})
	return buf[:max(n, 0)], ended
}

func beginsCall(said []byte, calls []*Call) bool {
	for _, c := range calls {
		if subtle.ConstantTimeCompare(said, c.says[:len(said)]) == 1 {
			return true
		}
	}
	return false
}
