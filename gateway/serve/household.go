package serve

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/onion"
)

// What strangers can take through one onion: streams at one time on one circuit,
// and in all. A page of photographs opens some dozens of streams on one circuit.
const (
	circuitStreams = 128
	onionStreams   = 1024
)

// householdLimits bound what one device can take of the box's endpoints.
var householdLimits = endpoint.Limits{MaxConns: 512, MaxPerVisitor: 64, Idle: 10 * time.Minute}

// hostedLimits are left to the front, which has counted the stream already.
var hostedLimits = endpoint.Limits{Idle: 10 * time.Minute}

// hosted serves an onion's streams by an endpoint of the box.
type hosted struct {
	endpoint.Endpoint
	host string // "KEY.onion"
	log  *slog.Logger
}

// ServeStream implements onion.Handler.
func (h hosted) ServeStream(ctx context.Context, c *net.UnixConn, s onion.Stream) error {
	endpoint.ServeOne(ctx, c, h.Endpoint, endpoint.Visitor{
		Host: h.host, Port: s.Port, ID: strconv.FormatUint(uint64(s.Circuit), 10),
	}, endpoint.NewLimiter(hostedLimits), h.log)
	return nil
}

// boxName is how the box is called in answers to a device: the IPv4 address
// that it dialled, else the name that our resolver gives the box, because
// Gopher menus have no place for the colons of an IPv6 address.
func boxName(c net.Conn) string {
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		if addr := a.AddrPort().Addr().Unmap(); addr.Is4() {
			return addr.String()
		}
	}
	return "box.home.arpa"
}

// remote is the address of the device that is calling.
func remote(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
