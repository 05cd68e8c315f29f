package serve

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"io"
	"testing"
	"time"

	"tunic/gateway/anchor"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/onion"
	"tunic/internal/sockets"
)

// A device that is gone leaves nothing behind, whatever the friend's side does: it may
// keep its end of a stream open for ever.
func TestExchangeEndsWithTheDevice(t *testing.T) {
	here, device := sockets.Pair(t)
	near, far := sockets.Pair(t)
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
	case <-time.After(30 * time.Second):
		t.Error("the stream to a friend goes on without its device")
		near.Close()
		<-done
	}
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
