package serve

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"tunic/gateway/anchor"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/link"
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

// What a device has at a friend's box ends when they are no friend any more, also a call that is under way.
func TestVisitsEndWithTheFriendship(t *testing.T) {
	alice, bob := link.Key{1}, link.Key{2}
	a := new(abroad)
	_, own := certified(t)
	a.leaf.Store(&own)
	calling := make(chan struct{})
	a.dial = func(ctx context.Context, _ netip.Addr, _ string, _ uint16) (net.Conn, error) {
		close(calling)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	a.set([]link.FriendServices{{Onion: alice}, {Onion: bob}})
	here, _ := sockets.Pair(t)
	done := make(chan error, 1)
	go func() { done <- a.lead(t.Context(), here, alice, "share") }()
	<-calling
	ctx, leave, ok := a.visit(t.Context(), bob)
	defer leave()
	a.set([]link.FriendServices{{Onion: bob}})
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("a box is called that is no friend's any more")
	}
	if !ok || ctx.Err() != nil {
		t.Error("the visit at another friend's has ended too")
	}
	if _, _, ok := a.visit(t.Context(), alice); ok {
		t.Error("who is no friend any more is visited")
	}
	a.set(nil)
	if ctx.Err() == nil || len(a.visits) != 1 {
		t.Errorf("%v, %d visits", ctx.Err(), len(a.visits))
	}
}
