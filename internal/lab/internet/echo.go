package internet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// ServeEcho sends each datagram back to its sender (RFC 862) until ctx ends.
func ServeEcho(ctx context.Context, pc net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { _ = pc.Close() })
	defer stop()
	buf := make([]byte, 65535)
	for {
		n, from, err := pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("serving echo on %s: %w", pc.LocalAddr(), err)
		}
		_, _ = pc.WriteTo(buf[:n], from) // a sender that is gone is no error of ours
	}
}

// ServeTCPEcho sends every byte of each connection back until ctx ends.
func ServeTCPEcho(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("serving echo on %s: %w", ln.Addr(), err)
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn) // ends when the caller does
		}()
	}
}
