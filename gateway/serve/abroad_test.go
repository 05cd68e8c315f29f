package serve

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"tunic/gateway/anchor"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/onion"
)

// A device that is gone leaves nothing behind, whatever the friend's side does: it may
// keep its end of a stream open for ever.
func TestExchangeEndsWithTheDevice(t *testing.T) {
	here, device := connected(t)
	near, far := connected(t)
	who, own := certified(t)
	friend := tls.Server(far, mux.Server(own))
	go friend.Handshake() // and nothing else
	server := tls.Client(near, mux.Client(own, who, time.Now))
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- exchange(here, server) }()
	io.WriteString(device, "hello")
	device.SetLinger(0)
	device.Close()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("the stream to a friend goes on without its device")
		near.Close()
		<-done
	}
}

// connected are the ends of a connection.
func connected(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

// certified is a box's address with a certificate of it.
func certified(t *testing.T) (onion.Address, tls.Certificate) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	who := onion.FromPublicKey(key.Public().(ed25519.PublicKey))
	leaf, err := anchor.Issue(who, func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(leaf.Cert), []byte(leaf.Key))
	if err != nil {
		t.Fatal(err)
	}
	return who, pair
}
