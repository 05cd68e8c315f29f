package mux

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"tunic/gateway/onion"
)

// maxHandshake bounds what is read of the other side until TLS has come about, in bytes:
// several times what a box sends. TLS itself takes a quarter of a megabyte of certificates,
// which take many times that once they are parsed, of each of a thousand strangers.
const maxHandshake = 16 << 10

const noBound = -1

var errMuch = errors.New("the other side says too much before it has said who it is")

// bounded is a connection of which only so many bytes are read.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == noBound {
		return b.Conn.Read(p)
	}
	if b.left == 0 {
		return 0, errMuch
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// greet makes the handshake of c, which is on b.
func (b *bounded) greet(ctx context.Context, c *tls.Conn) error {
	err := c.HandshakeContext(ctx)
	b.left = noBound
	return err
}

// Call makes TLS with the home onion of a friend, which has to prove that it is that. raw
// stays open if it fails.
func Call(ctx context.Context, raw net.Conn, own tls.Certificate, friend onion.Address, now func() time.Time) (*tls.Conn, error) {
	b := &bounded{raw, maxHandshake}
	c := tls.Client(b, Client(own, friend, now))
	return c, b.greet(ctx, c)
}
