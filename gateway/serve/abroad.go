package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/link"
	"tunic/gateway/peer"
)

// abroadLimits bound what devices have of friends' services. Somebody may think long.
var abroadLimits = endpoint.Limits{MaxConns: 512, MaxPerVisitor: 64}

var errNotOffered = errors.New("no friend offers anything there")

// callTime bounds the way to a friend's service.
const callTime = 60 * time.Second

// abroad leads devices to what friends offer: at port 1 of a friend's name in the words of
// TCPMUX, at a service's own port at once.
type abroad struct {
	house *services
	leaf  atomic.Pointer[tls.Certificate]
	dial  func(ctx context.Context, device netip.Addr, host string, port uint16) (net.Conn, error)

	mu      sync.Mutex
	friends []link.FriendServices
	visits  map[*visit]struct{}
}

// visit is a device at a friend's box.
type visit struct {
	friend link.Key
	end    context.CancelFunc
}

// set says who friends are and what they offer. What devices have at the box of one who is no
// friend any more ends.
func (a *abroad) set(friends []link.FriendServices) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.friends = friends
	for v := range a.visits {
		if !a.knows(v.friend) {
			v.end()
		}
	}
}

// knows reports whether a box is a friend's that offers something. a.mu is held.
func (a *abroad) knows(friend link.Key) bool {
	return slices.ContainsFunc(a.friends, func(f link.FriendServices) bool { return f.Onion == friend })
}

// visit notes that a device visits a friend, who has to be one; ctx ends when they are none any more, or with leave.
func (a *abroad) visit(ctx context.Context, friend link.Key) (_ context.Context, leave func(), ok bool) {
	ctx, cancel := context.WithCancel(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.knows(friend) {
		cancel()
		return ctx, cancel, false
	}
	if a.visits == nil {
		a.visits = make(map[*visit]struct{})
	}
	v := &visit{friend, cancel}
	a.visits[v] = struct{}{}
	return ctx, func() {
		cancel()
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.visits, v)
	}, true
}

// serveAbroad serves what friends offer to the devices of the house.
func (a *application) serveAbroad(ctx context.Context, f *os.File) error {
	ln, err := a.listen(f)
	if err != nil {
		return err
	}
	return endpoint.Serve(ctx, ln, a.abroad, a.services.limits.of("services"), func(c net.Conn) endpoint.Visitor {
		return a.visitor(c, dialledAt(c).Port())
	}, a.log)
}

// Name implements endpoint.Endpoint.
func (*abroad) Name() string { return "friends' services" }

// ServeConn implements endpoint.Endpoint.
func (a *abroad) ServeConn(ctx context.Context, c net.Conn, v endpoint.Visitor) error {
	to := dialledAt(c)
	if to.Port() == config.MuxPort && a.house.local(to.Addr()) {
		return tables{a.house}.ServeConn(ctx, c, v)
	}
	friend, service, ok := a.at(to)
	if !ok {
		return errNotOffered
	}
	if service == "" {
		first, whole, err := firstLine(c)
		switch _, tables := a.house.table(); {
		case err != nil:
			return err
		case tables && strings.EqualFold(first, config.TalkService): // where lines are made harmless for who reads them
			return a.house.sit(ctx, whole, friend)
		}
		c = again(first, whole)
	}
	return a.lead(ctx, c, friend, service)
}

// lead connects a device with a friend's box, as long as they are a friend.
func (a *abroad) lead(ctx context.Context, c net.Conn, friend link.Key, service string) error {
	ctx, leave, ok := a.visit(ctx, friend)
	if !ok {
		return errNotOffered
	}
	defer leave()
	server, err := a.call(ctx, remote(c), friend, service)
	if err != nil {
		return err
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { server.NetConn().Close() })()
	return exchange(c, server)
}

// at says what is at an address and port: "" is the choice of all that the friend offers.
func (a *abroad) at(to netip.AddrPort) (friend link.Key, service string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.friends, func(f link.FriendServices) bool { return slices.Contains(f.Addrs, to.Addr()) })
	if i < 0 {
		return friend, "", false
	}
	f := a.friends[i]
	if to.Port() == config.MuxPort {
		return f.Onion, "", true
	}
	k := slices.IndexFunc(f.Offers, func(o link.ServiceOffer) bool { return o.Port == to.Port() })
	if k < 0 {
		return friend, "", false
	}
	return f.Onion, f.Offers[k].Name, true
}

// call connects to a friend's box, makes sure that it is that, and asks for a service.
func (a *abroad) call(ctx context.Context, device netip.Addr, friend link.Key, service string) (*tls.Conn, error) {
	leaf := a.leaf.Load()
	if leaf == nil {
		return nil, errNoCertificate
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	who := peer.Key(friend).Address()
	raw, err := a.dial(ctx, device, who.Host(), config.MuxPort)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })()
	c, err := mux.Call(ctx, raw, *leaf, who, time.Now)
	if err == nil && service != "" {
		err = mux.Ask(c, service)
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("calling a friend's box: %w", err)
	}
	return c, nil
}

// exchange passes on in both directions until the friend's side has said all, or the
// device is gone: a friend need never end.
func exchange(device net.Conn, server *tls.Conn) error {
	up := make(chan error, 1)
	go func() {
		_, err := io.Copy(server, device)
		if err != nil {
			server.NetConn().Close()
		}
		up <- errors.Join(err, server.CloseWrite())
	}()
	_, err := io.Copy(device, server)
	closeWrite(device)
	device.Close()
	return errors.Join(err, <-up)
}
