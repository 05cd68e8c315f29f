package onion

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"tunic/gateway/splice"
)

// Handler serves one stream of an onion's port. It owns c until it returns.
type Handler interface {
	ServeStream(ctx context.Context, c *net.UnixConn, s Stream) error
}

// Starter is a Handler whose streams need no goroutine once they are open.
type Starter interface {
	Handler
	// Starts reports whether StartStream is to be used.
	Starts() bool
	// StartStream returns when the stream is open. It calls own with what cuts it from then
	// on, when nobody else may close c, and over once, when it has ended; after an
	// error neither, and c is open.
	StartStream(ctx context.Context, c *net.UnixConn, s Stream, own func(cut func()), over func(error)) error
}

// DialTimeout bounds how long a visitor waits for a target that does not answer.
const DialTimeout = 10 * time.Second

// Relay passes a stream on to a target, byte for byte but for what Proxy and
// Site ask for. It is part of the stack on which each stream waits, and small.
type Relay struct {
	// Dial opens a connection to the target on behalf of one circuit. Its
	// result should be a bare *net.TCPConn: the kernel then moves the bytes
	// (splice(2)).
	Dial func(ctx context.Context, circuit uint32) (net.Conn, error)

	Proxy ProxyVersion // the header that the target wants first; "": none
	Site  *Site        // says which Host HTTP/1.1 requests get; nil: they stay as they are

	// Patience is how long the target may take for 64 KiB of what a visitor
	// sends, before the stream is cut; 0: for ever. A server that reads a
	// flood slowly is rid of it so.
	Patience time.Duration
}

// Site is a service by HTTP/1.1 that wants to be asked for by its own name.
type Site struct {
	Host string   // replaces the one of the request
	Keys []string // the onion's addresses, without ".onion": that one may be below them
}

// afterVisitor is how long a target may take to end once its visitor has ended:
// tor never ends one direction alone, so nobody would read what comes. Tests change it.
var afterVisitor = 30 * time.Second

// Starts implements Starter: what is looked at needs a goroutine for each direction.
func (r Relay) Starts() bool { return r.Site == nil }

// StartStream dials the target and has bytes copied until both sides have ended.
func (r Relay) StartStream(ctx context.Context, c *net.UnixConn, s Stream, own func(cut func()), over func(error)) error {
	target, err := r.Connect(ctx, s)
	if err != nil {
		return fmt.Errorf("connecting to the target of port %d: %w", s.Port, err)
	}
	o := splice.Options{Patience: r.Patience, Linger: afterVisitor, Buffer: torBuffer, Over: func(up, down splice.Way) {
		over(errors.Join(unlessCut(down.Err), unlessCut(up.Err)))
	}}
	t := splice.New(c, target, o)
	own(t.Cut)
	t.Start()
	return nil
}

func unlessCut(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// ServeStream dials the target and copies until both sides have ended.
func (r Relay) ServeStream(ctx context.Context, c *net.UnixConn, s Stream) error {
	if r.Site == nil {
		return r.serveStarted(ctx, c, s)
	}
	target, err := r.Connect(ctx, s)
	if err != nil {
		return fmt.Errorf("connecting to the target of port %d: %w", s.Port, err)
	}
	x := &exchange{visitor: c, target: target, talk: newTalk(r.Site), linger: afterVisitor, up: make(chan error, 1)}
	return x.run()
}

// serveStarted is StartStream for who wants to wait.
func (r Relay) serveStarted(ctx context.Context, c *net.UnixConn, s Stream) error {
	over := make(chan error, 1)
	var stop func() bool
	err := r.StartStream(ctx, c, s, func(cut func()) { stop = context.AfterFunc(ctx, cut) }, func(err error) { over <- err })
	if err != nil {
		return err
	}
	defer stop()
	return <-over
}

// exchange is a stream that is being relayed, and looked at.
type exchange struct {
	visitor *net.UnixConn
	target  net.Conn
	talk    *talk // see Relay.Site
	linger  time.Duration

	up chan error // how the visitor's direction ended
}

// run copies until both sides have ended. If the visitor's is closed, which is
// how a stream is cut, the target's is too.
func (x *exchange) run() error {
	go x.send()
	down := pass(x.visitor, x.target, x.talk.answers(x.visitor, x.target))
	up := <-x.up
	x.target.Close()
	return errors.Join(down, up)
}

// send copies what the visitor sends.
func (x *exchange) send() {
	err := x.talk.requests(x.target, x.visitor)
	if errors.Is(err, errMisdirected) {
		sayLast(x.visitor, misdirected)
	}
	err = pass(x.target, x.visitor, err)
	_ = x.target.SetReadDeadline(time.Now().Add(x.linger))
	x.up <- err
}

// Connect dials the target and says who is calling, if it wants to know, and what the
// visitor has said already.
func (r Relay) Connect(ctx context.Context, s Stream) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	target, err := r.Dial(ctx, s.Circuit)
	if err != nil {
		return nil, err
	}
	first := []byte(s.early)
	if r.Proxy != "" {
		first = append(proxyHeader(r.Proxy, s), first...)
	}
	if len(first) > 0 {
		if _, err := target.Write(first); err != nil {
			target.Close()
			return nil, err
		}
	}
	return target, nil
}

// pass ends a copy from src to dst: the end of src is passed on, and after an
// error both are closed, so that the other direction ends too.
func pass(dst, src net.Conn, err error) error {
	if err == nil {
		if half, ok := dst.(interface{ CloseWrite() error }); ok {
			err = half.CloseWrite()
		}
	}
	if err != nil {
		dst.Close()
		src.Close()
	}
	return unlessCut(err)
}

// CircuitSource is the address in 127.128.0.0/9 from which a target on the
// box itself is dialled for a circuit, so that a limit or a short ban there
// hits one circuit and not everybody. The target still sees a local address.
func CircuitSource(circuit uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 128 | byte(circuit>>16)&0x7f, byte(circuit >> 8), byte(circuit)})
}
