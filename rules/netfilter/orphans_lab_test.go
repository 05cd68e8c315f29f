//go:build lab

package netfilter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tunic/internal/lab/traffic"
)

const torUID = 971

// orphanShots are what the box sends in a connection of tor's after tor has gone.
// In each of them the relay has the last word: what came of the connection there.
func orphanShots() []shot {
	return []shot{
		orphan("what tor had still to send", "closed, whole", leaveFull),
		orphan("a relay speaks to a tor that is gone", "refused", leaveSilently),
		orphan("another user with the ports of a tor that is gone", "refused, silence", takeOver),
	}
}

// orphan opens a connection of tor's to a relay, and says what after makes of it.
func orphan(name, want string, after func(h *house, near, far *net.TCPConn, wait time.Duration) string) shot {
	return shot{name: name, want: want, fire: func(h *house, e ends) func() string {
		wait := min(patience, h.limit)
		near, far, err := h.relayed(e, wait)
		if err != nil {
			return func() string { return outcome(err) }
		}
		defer near.Close()
		defer far.Close()
		got := after(h, near, far, wait)
		return func() string { return got }
	}}
}

// relayed opens a connection as tor. Both ends are TCP's.
func (h *house) relayed(e ends, wait time.Duration) (near, far *net.TCPConn, err error) {
	l, err := traffic.Host{Namespace: h.internet.name}.Listen(h.t.Context(), net.JoinHostPort(e.at("internet"), "0"))
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	near, err = h.dialAs(torUID, nil, l.Addr(), wait)
	if err != nil {
		return nil, nil, err
	}
	err = l.(*net.TCPListener).SetDeadline(time.Now().Add(wait))
	if err == nil {
		far, err = l.(*net.TCPListener).AcceptTCP()
	}
	if err != nil {
		near.Close()
		return nil, nil, err
	}
	return near, far, nil
}

// dialAs dials as a user of the box, by an address or, with nil, by any.
func (h *house) dialAs(uid int, by, to net.Addr, wait time.Duration) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: wait, LocalAddr: by}
	var c net.Conn
	err := traffic.Host{Namespace: h.gateway.name, UID: uid}.Do(func() (err error) {
		c, err = d.DialContext(context.Background(), "tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// leaveFull has tor go while more stands in its send buffer than the relay takes.
func leaveFull(_ *house, near, far *net.TCPConn, wait time.Duration) string {
	if err := near.SetWriteDeadline(time.Now().Add(settle)); err != nil {
		return err.Error()
	}
	sent, err := near.Write(make([]byte, 64<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("the buffer is not full after %d bytes: %v", sent, err)
	}
	if err := errors.Join(near.Close(), far.SetReadDeadline(time.Now().Add(wait))); err != nil {
		return err.Error()
	}
	come, err := io.Copy(io.Discard, far)
	switch {
	case err != nil:
		return outcome(err)
	case come != int64(sent):
		return fmt.Sprintf("closed, %d bytes of %d", come, sent)
	}
	return "closed, whole"
}

// leaveSilently has tor's socket go without a word, and then the relay speak.
func leaveSilently(_ *house, near, far *net.TCPConn, wait time.Duration) string {
	if err := errors.Join(vanish(near), far.SetReadDeadline(time.Now().Add(wait))); err != nil {
		return err.Error()
	}
	if _, err := far.Write([]byte("hello")); err != nil {
		return outcome(err)
	}
	_, err := far.Read(make([]byte, 1))
	return outcome(err)
}

// takeOver has another user dial the relay by the ports and addresses of tor's
// connection, which conntrack still has for an open one. Nothing of it arrives.
func takeOver(h *house, near, far *net.TCPConn, wait time.Duration) string {
	by, to := near.LocalAddr(), near.RemoteAddr()
	if err := vanish(near); err != nil {
		return err.Error()
	}
	c, err := h.dialAs(0, by, to, wait)
	if err == nil {
		return errors.Join(errors.New("connected"), c.Close()).Error()
	}
	if err := far.SetReadDeadline(time.Now().Add(brief)); err != nil {
		return err.Error()
	}
	_, heard := far.Read(make([]byte, 1)) // a reset, if anything has come
	return outcome(err) + ", " + outcome(heard)
}

// vanish closes a socket of which nobody is told (TCP_REPAIR, tcp(7)).
func vanish(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, unix.TCP_REPAIR, 1) })
	return errors.Join(err, failed, c.Close())
}
