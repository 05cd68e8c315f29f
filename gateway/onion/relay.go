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
// tor never ends one direction alone, so nobody would read what comes.
const afterVisitor = 30 * time.Second

// ServeStream dials the target and copies until both sides have ended.
func (r Relay) ServeStream(ctx context.Context, c *net.UnixConn, s Stream) error {
	x := &exchange{visitor: c, patience: r.Patience, linger: afterVisitor, up: make(chan error, 1)}
	if r.Site != nil {
		x.talk = newTalk(r.Site)
	}
	if err := x.open(ctx, r, s); err != nil {
		return err
	}
	return x.run()
}

// exchange is a stream that is being relayed.
type exchange struct {
	visitor *net.UnixConn
	target  net.Conn
	talk    *talk // see Relay.Site; nil: what is said is not looked at
	linger  time.Duration

	patience time.Duration // see Relay.Patience

	up chan error // how the visitor's direction ended
}

// open, pass and finish are not inlined, so that what they need is not part of
// the stack on which a stream waits (see splice.OnOwnStack).
//
//go:noinline
func (x *exchange) open(ctx context.Context, r Relay, s Stream) (err error) {
	splice.OnOwnStack(func() { x.target, err = r.Connect(ctx, s) })
	if err != nil {
		return fmt.Errorf("connecting to the target of port %d: %w", s.Port, err)
	}
	return nil
}

// run copies until both sides have ended. If the visitor's is closed, which is
// how a stream is cut, the target's is too.
func (x *exchange) run() error {
	go x.send()
	if x.talk != nil {
		return x.finish(pass(x.visitor, x.target, x.talk.answers(x.visitor, x.target)))
	}
	_, err := splice.Move(x.visitor, x.target, 0)
	return x.finish(pass(x.visitor, x.target, err))
}

//go:noinline
func (x *exchange) finish(down error) error {
	up := <-x.up
	x.target.Close()
	return errors.Join(down, up)
}

// send copies what the visitor sends.
func (x *exchange) send() {
	var err error
	if x.talk == nil {
		_, err = splice.Move(x.target, x.visitor, x.patience)
	} else {
		err = x.talk.requests(x.target, x.visitor)
	}
	if errors.Is(err, errMisdirected) {
		sayLast(x.visitor, misdirected)
	}
	err = pass(x.target, x.visitor, err)
	_ = x.target.SetReadDeadline(time.Now().Add(x.linger))
	x.up <- err
}

// Connect dials the target and says who is calling, if it wants to know.
func (r Relay) Connect(ctx context.Context, s Stream) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	target, err := r.Dial(ctx, s.Circuit)
	if err != nil || r.Proxy == "" {
		return target, err
	}
	if _, err := target.Write(proxyHeader(r.Proxy, s)); err != nil {
		target.Close()
		return nil, err
	}
	return target, nil
}

// pass ends a copy from src to dst: the end of src is passed on, and after an
// error both are closed, so that the other direction ends too.
//
//go:noinline
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
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// CircuitSource is the address in 127.128.0.0/9 from which a target on the
// box itself is dialled for a circuit, so that a limit or a short ban there
// hits one circuit and not everybody. The target still sees a local address.
func CircuitSource(circuit uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 128 | byte(circuit>>16)&0x7f, byte(circuit >> 8), byte(circuit)})
}
