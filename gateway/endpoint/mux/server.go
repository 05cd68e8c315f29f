package mux

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/endpoint"
	"tunic/gateway/onion"
)

// patience bounds a caller who has not said what it wants: several round trips.
const patience = 45 * time.Second

// linger is how long the other direction may go on once a service has said all.
const linger = 5 * time.Second

// Stream is a service at work.
type Stream interface {
	io.ReadWriteCloser
	// CloseWrite tells it that its friend has said all.
	CloseWrite() error
	// Fine waits, once it has said all, and reports whether it ended as it should. The
	// friend is told by how the connection ends.
	Fine() bool
}

// House knows friends and services.
type House interface {
	// Friends are those who may use anything.
	Friends() []onion.Address
	// Names are the services that a friend may use.
	Names(friend onion.Address) []string
	// Open begins a service. ErrNone says that there is none for this friend, and Words
	// are for the friend to read.
	Open(ctx context.Context, friend onion.Address, name string) (Stream, error)
}

// ErrNone says that a friend has no service of a name.
var ErrNone = errors.New("there is no such service for you")

// Endpoint is the side that is called.
type Endpoint struct {
	House House
	Now   func() time.Time

	own atomic.Pointer[tls.Config]
}

// Set changes the certificate by which this side is known.
func (e *Endpoint) Set(own tls.Certificate) { e.own.Store(Server(own)) }

// Name implements endpoint.Endpoint.
func (*Endpoint) Name() string { return config.MuxEndpoint }

// ServeConn implements endpoint.Endpoint.
func (e *Endpoint) ServeConn(ctx context.Context, raw net.Conn, _ endpoint.Visitor) error {
	own := e.own.Load()
	if own == nil {
		return errors.New("this box cannot prove who it is")
	}
	raw.SetDeadline(time.Now().Add(patience))
	unknown := &bounded{raw, maxHandshake}
	c := tls.Server(unknown, own)
	if unknown.greet(ctx, c) != nil {
		return errors.New("no TLS came about") // the cause may hold what the other side sent
	}
	friend, ok := Proved(c.ConnectionState().PeerCertificates, e.House.Friends(), e.Now())
	if !ok {
		return refuse(c, ErrNone)
	}
	name, err := ReadRequest(c)
	switch {
	case errors.Is(err, errLine):
		return refuse(c, ErrNone)
	case err != nil:
		return err
	case name == Help:
		_, err := io.WriteString(c, strings.Join(append(e.House.Names(friend), ""), "\r\n"))
		return errors.Join(err, c.CloseWrite())
	}
	s, err := e.House.Open(ctx, friend, name)
	if err != nil {
		return refuse(c, err)
	}
	defer s.Close()
	if _, err := fmt.Fprintf(c, "+%s\r\n", name); err != nil {
		return err
	}
	raw.SetDeadline(time.Time{})
	defer context.AfterFunc(ctx, func() { s.Close() })()
	return serve(c, s)
}

// refuse says no. Only ErrNone and Words are for others to read; of another error they
// learn that the service does not work.
func refuse(c *tls.Conn, err error) error {
	words := Words("this service does not work now")
	if errors.Is(err, ErrNone) {
		words = Words(ErrNone.Error())
	}
	errors.As(err, &words)
	_, writing := fmt.Fprintf(c, "-%s\r\n", words)
	writing = errors.Join(writing, c.CloseWrite())
	// What a stranger has said besides is thrown away unread, so that their connection
	// ends as that of a friend.
	raw := c.NetConn()
	raw.SetDeadline(time.Now().Add(linger))
	_, _ = io.CopyN(io.Discard, raw, maxUnread)
	return errors.Join(err, writing)
}

// maxUnread is how much is thrown away of what somebody has said who is refused.
const maxUnread = 16 << 10

// serve passes on in both directions until the service has said all. A service that did
// not end as it should has the connection cut instead of ended.
func serve(c *tls.Conn, s Stream) error {
	up := make(chan error, 1)
	go func() {
		_, err := io.Copy(s, c)
		if err != nil { // the friend is gone, and not at the end
			s.Close()
		}
		up <- errors.Join(err, s.CloseWrite())
	}()
	_, down := io.Copy(c, s)
	fine := down == nil && s.Fine()
	if fine {
		down = c.CloseWrite()
	}
	c.NetConn().SetDeadline(time.Now().Add(linger))
	if !fine {
		// Not the word by which TLS ends, whose absence alone is no error to everybody
		// (crypto/tls), but the first byte of a record that does not come.
		_, _ = c.NetConn().Write([]byte{21})
		c.NetConn().Close()
	}
	select {
	case <-up:
	case <-time.After(linger):
	}
	return down
}
