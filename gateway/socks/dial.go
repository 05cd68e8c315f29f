package socks

import (
	"context"
	"net"
	"net/netip"
)

// Dial connects through Tor on behalf of a device, under the device's own
// credentials: it shares circuits with the device's other connections and with
// nobody else's. It is for what the box does for a device, such as asking for
// names. The connection has no deadline.
func (s *Server) Dial(ctx context.Context, device netip.Addr, to netip.AddrPort) (net.Conn, error) {
	return s.dialAs(ctx, s.credentialsFor(device, credentials{}), destination{addr: to.Addr(), port: to.Port()})
}

// DialName is Dial for an onion or a host name, which an exit looks up.
func (s *Server) DialName(ctx context.Context, device netip.Addr, host string, port uint16) (net.Conn, error) {
	if !dialable(host) {
		return nil, errNoName
	}
	return s.dialAs(ctx, s.credentialsFor(device, credentials{}), destination{host: host, port: port})
}
