package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/peer"
	"tunic/gateway/resolver"
	"tunic/gateway/socks"
)

// loopback is where tor listens for this process.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// newResolver gives the resolver its ways out: tor's DNSPort, from an address
// of the device's own, and the servers that the owner named.
func newResolver(s *Server) (*resolver.Resolver, error) {
	var secret [16]byte
	rand.Read(secret[:]) // never fails
	return resolver.New(resolver.Options{
		Log: s.log,
		DialTor: func(ctx context.Context, device netip.Addr) (net.Conn, error) {
			from := netip.AddrPortFrom(resolver.LoopbackFor(device, s.identities.secret(secret, device)), 0)
			d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(from)}
			return d.DialContext(ctx, "udp4", netip.AddrPortFrom(loopback, config.DNSPort).String())
		},
		DialForward: func(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.String())
		},
		DialTLS: func(ctx context.Context, device netip.Addr, server netip.AddrPort) (net.Conn, error) {
			return s.socks.Dial(ctx, device, server)
		},
		Beside: func(device netip.Addr, name string) (netip.Addr, bool) {
			return s.beside.names.Addr(string(s.Devices.Of(device)), name)
		},
		Grant:   s.grant,
		Blocked: s.blocks.Blocked,
		Devices: s.Devices,
	}, resolver.Config{})
}

// newSOCKS gives the SOCKS proxy its only way out: tor's SocksPort. A unix socket costs less
// than a connection on loopback, and nobody but tor can put one there.
func newSOCKS(s *Server) (*socks.Server, error) {
	return socks.New(socks.Options{
		Log:      s.log,
		Home:     s.resolver,
		Identity: s.identities.number,
		Devices:  s.Devices,
		DialTor: func(ctx context.Context) (*net.UnixConn, error) {
			return new(net.Dialer).DialUnix(ctx, "unix", nil, s.torSOCKS.Load())
		},
	})
}

func resolverConfig(d link.DNS) resolver.Config {
	c := resolver.Config{Box: d.Box, Virtual4: d.Virtual4, Virtual6: d.Virtual6, Private: d.Private, Bypass: d.Bypass,
		I2P: d.I2P.IsValid()}
	if m := d.Mail; m != nil {
		c.Mail = &resolver.Mail{Domain: m.Domain, Setup: m.Setup}
		for _, s := range m.Services {
			c.Mail.Services = append(c.Mail.Services, resolver.Service(s))
		}
	}
	if b := d.Block; b != nil {
		c.Unblocked = b.Except
	}
	c.Upstream = d.Upstream
	if r := d.Resolver; r != nil {
		c.TLS = resolver.TLSServer{Addr: r.Server, Name: r.Name}
	}
	for _, n := range d.Names {
		c.Names = append(c.Names, resolver.Name{Label: n.Label, Onion: peer.Key(n.Onion).Address(), Addrs: n.Addrs, Box: n.Box})
	}
	for _, n := range d.Own {
		c.Own = append(c.Own, resolver.OwnName{Label: n.Label, Onion: peer.Key(n.Onion).Address()})
	}
	for _, f := range d.Forward {
		c.Forward = append(c.Forward, resolver.Forward{Domain: f.Domain, Server: f.Server})
	}
	return c
}

// errClosed is why the resolver of a closed household asks nobody.
var errClosed = errors.New("the household is closed")

// newClosed is the resolver while the household is closed: it knows the box's own name, and
// has no way out, whatever a device asks and whoever is connected.
func newClosed(s *Server) (*resolver.Resolver, error) {
	return resolver.New(resolver.Options{
		Log:     s.log,
		Devices: s.Devices,
		DialTor: func(context.Context, netip.Addr) (net.Conn, error) { return nil, errClosed },
		DialForward: func(context.Context, string, netip.AddrPort) (net.Conn, error) {
			return nil, errClosed
		},
	}, resolver.Config{})
}

// serveDNS answers devices on one address family of one interface, or the box itself.
func (s *Server) serveDNS(ctx context.Context, by *resolver.Resolver, udp, tcp *os.File, box bool) error {
	pc, err := net.FilePacketConn(udp)
	if err != nil {
		return fmt.Errorf("taking over the UDP socket: %w", err)
	}
	ln, err := net.FileListener(tcp)
	if err != nil {
		return errors.Join(fmt.Errorf("taking over the TCP listener: %w", err), pc.Close())
	}
	if box {
		return by.ServeBox(ctx, s.accepting, pc, ln)
	}
	return by.ServeUntil(ctx, s.accepting, pc, ln)
}

func (s *Server) serveSOCKS(ctx context.Context, f *os.File) error {
	ln, err := s.listen(f)
	if err != nil {
		return err
	}
	return s.socks.Serve(ctx, ln)
}
