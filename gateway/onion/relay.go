package onion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// Handler serves one stream of an onion's port. It owns c until it returns.
type Handler interface {
	ServeStream(ctx context.Context, c *net.UnixConn, s Stream) error
}

// DialTimeout bounds how long a visitor waits for a target that does not answer.
const DialTimeout = 10 * time.Second

// Relay passes a stream on to a target, byte for byte.
type Relay struct {
	// Dial opens a connection to the target on behalf of one circuit. Its
	// result should be a bare *net.TCPConn: the kernel then moves the bytes
	// (splice(2)).
	Dial func(ctx context.Context, circuit uint32) (net.Conn, error)
}

// ServeStream dials the target and copies until both sides have ended.
func (r Relay) ServeStream(ctx context.Context, c *net.UnixConn, s Stream) error {
	dialCtx, cancel := context.WithTimeout(ctx, DialTimeout)
	target, err := r.Dial(dialCtx, s.Circuit)
	cancel()
	if err != nil {
		return fmt.Errorf("connecting to the target of port %d: %w", s.Port, err)
	}
	defer target.Close()
	stop := context.AfterFunc(ctx, func() { target.Close() })
	defer stop()
	up := make(chan error, 1)
	go func() { up <- pipe(target, c) }()
	down := pipe(c, target)
	return errors.Join(down, <-up)
}

// pipe copies from src to dst and passes on the end of src. After an error
// both are closed, so that the other direction ends too.
func pipe(dst, src net.Conn) error {
	_, err := io.Copy(dst, src)
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
