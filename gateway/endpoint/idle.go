package endpoint

import (
	"net"
	"sync"
	"time"
)

// idleConn is a connection on which a Read or Write fails with
// os.ErrDeadlineExceeded after idle without one starting in either direction.
// Deadlines that the endpoint sets itself hold as well: the earlier one counts.
type idleConn struct {
	net.Conn
	idle time.Duration

	mu          sync.Mutex
	read, write time.Time // what the endpoint asked for; zero means none
}

func (c *idleConn) Read(p []byte) (int, error) {
	if err := c.touch(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *idleConn) Write(p []byte) (int, error) {
	if err := c.touch(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *idleConn) SetDeadline(t time.Time) error {
	return c.set(func() { c.read, c.write = t, t })
}

func (c *idleConn) SetReadDeadline(t time.Time) error {
	return c.set(func() { c.read = t })
}

func (c *idleConn) SetWriteDeadline(t time.Time) error {
	return c.set(func() { c.write = t })
}

// CloseWrite ends the sending direction, where the connection can do that.
func (c *idleConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// touch starts the idle time again, in both directions: a visitor who sends
// nothing while a long file flows to it is not idle.
func (c *idleConn) touch() error { return c.set(func() {}) }

func (c *idleConn) set(change func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	end := time.Now().Add(c.idle)
	if err := c.Conn.SetReadDeadline(earlier(end, c.read)); err != nil {
		return err
	}
	return c.Conn.SetWriteDeadline(earlier(end, c.write))
}

// earlier returns asked if it is set and before end, else end.
func earlier(end, asked time.Time) time.Time {
	if !asked.IsZero() && asked.Before(end) {
		return asked
	}
	return end
}
