package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/fair"
	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// waitingLimits are for clients that stay connected and wait: they say something
// every 29 minutes (RFC 2177).
var waitingLimits = endpoint.Limits{MaxConns: 512, MaxPerVisitor: 64, Idle: 35 * time.Minute}

// handshakeTime bounds a connection that has not said who it is.
const handshakeTime = 20 * time.Second

// terminator serves a protocol by a server on the box; TLS, where there is any, ends
// here.
type terminator struct {
	link.Terminator
	config *tls.Config         // of TLS
	share  *fair.Share[string] // of the server's places; nil: no bound
	dial   func(ctx context.Context, id string) (net.Conn, error)
}

// Name implements endpoint.Endpoint.
func (t terminator) Name() string { return t.Terminator.Name }

// ServeConn implements endpoint.Endpoint. Where there is TLS nothing is dialled
// before the client has shown that it speaks it.
func (t terminator) ServeConn(ctx context.Context, c net.Conn, v endpoint.Visitor) error {
	if t.share != nil {
		leave, ok := t.share.Enter(v.ID, func() { c.Close() })
		if !ok {
			return errNoPlace
		}
		defer leave()
	}
	client, err := t.open(ctx, c)
	if err != nil {
		return err
	}
	server, err := t.dial(ctx, v.ID)
	if err != nil {
		return fmt.Errorf("connecting to the server of %s: %w", t.Name(), err)
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if t.Proxy {
		if _, err := io.WriteString(server, proxyLine(c, v.ID)); err != nil {
			return err
		}
	}
	return join(client, server)
}

// open returns what is inside of TLS, or the connection itself.
func (t terminator) open(ctx context.Context, c net.Conn) (net.Conn, error) {
	if !t.TLS {
		return c, nil
	}
	return shakeHands(ctx, c, t.config)
}

// shakeHands begins TLS with a client.
func shakeHands(ctx context.Context, c net.Conn, config *tls.Config) (net.Conn, error) {
	inside := tls.Server(c, config)
	hello, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	if inside.HandshakeContext(hello) != nil {
		return nil, errors.New("no TLS came about") // the cause may name what the client sent
	}
	return inside, nil
}

// lastWords is how long a server may go on after the client has said all.
const lastWords = 30 * time.Minute

// join passes on in both directions until the server has nothing more to say.
func join(client, server net.Conn) error {
	up := make(chan error, 1)
	go func() {
		err := passOn(server, client)
		up <- errors.Join(err, server.SetReadDeadline(time.Now().Add(lastWords)))
	}()
	down := passOn(client, server)
	client.Close()
	server.Close()
	return errors.Join(down, <-up)
}

// passOn copies until src ends, and tells dst.
func passOn(dst, src net.Conn) error {
	_, err := io.Copy(dst, src)
	return errors.Join(err, closeWrite(dst))
}

// closeWrite ends the sending direction, where the connection can do that.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// proxyLine says whom a connection is for (the PROXY protocol, version 1): not
// the address of a device, which may have many, but the one that stands for it. A
// phone's connection comes by a unix socket, which has no ports; 0 is none for Dovecot.
func proxyLine(c net.Conn, id string) string {
	from, to := remoteAddr(c.RemoteAddr()).Port(), remoteAddr(c.LocalAddr()).Port()
	return fmt.Sprintf("PROXY TCP4 %s 127.0.0.1 %d %d\r\n", onion.CircuitSource(deviceNumber(id)), max(1, from), max(1, to))
}

func remoteAddr(a net.Addr) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(a.String()) // it is a TCP address
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// hostedServers serves the household by servers that others have written.
func (a *application) hostedServers(want []link.Terminator) {
	running := make(map[string]*terminator, len(want))
	for _, w := range want {
		ep := a.hosted[w.Name] // nobody else writes it
		if ep == nil || !reflect.DeepEqual(ep.Terminator, w) {
			ep = &terminator{w, a.tlsConfig(), a.places.of(w.Server, false, w.Places), a.dialHosted(w)}
		}
		running[w.Name] = ep
		for _, name := range w.Listeners {
			a.run(name, fmt.Sprint(w.Name, w.Server, w.TLS, w.Proxy), func(ctx context.Context, f *os.File) error {
				ln, err := a.listen(f)
				if err != nil {
					return err
				}
				return endpoint.Serve(ctx, ln, ep, a.waiting.of(w.Name), func(c net.Conn) endpoint.Visitor {
					return a.visitor(c, w.Port)
				}, a.log)
			})
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hosted = running
}

// dialHosted connects to a server for one device. Where the server is not told
// which, a device has an address of its own, so that a limit or a ban there
// hits it alone, whatever addresses it has.
func (s *Server) dialHosted(w link.Terminator) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, id string) (net.Conn, error) {
		if w.Proxy {
			return new(net.Dialer).DialContext(ctx, "tcp", w.Server.String())
		}
		return s.dialTarget(ctx, w.Server, s.numberFor(w, id))
	}
}

// numberFor is what stands for a device towards a server. Where it is seen by
// others, as in IRC, it is another one each time that serve is started.
func (s *Server) numberFor(w link.Terminator, id string) uint32 {
	if book := s.book.Load(); w.Remembers && book != nil {
		if n, ok := book.Number(id); ok {
			return n
		}
	}
	return deviceNumber(id)
}

// devices makes numbers of devices that nobody can foresee: whoever could would take
// an address by which another device is known to the servers.
var devices = maphash.MakeSeed()

// deviceNumber stands for a device as a circuit's does for a visitor, until serve
// ends.
func deviceNumber(id string) uint32 { return uint32(maphash.String(devices, id)) }
