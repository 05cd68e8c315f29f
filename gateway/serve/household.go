package serve

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"tunic/gateway/device"
	"tunic/gateway/endpoint"
	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// What strangers can take through one onion: streams at one time on one circuit,
// and in all. A page of photographs opens some dozens of streams on one circuit.
const (
	circuitStreams = 128
	onionStreams   = 1024
)

// householdLimits bound what devices, and each of them, can take of one endpoint
// of the box.
var householdLimits = endpoint.Limits{MaxConns: 512, MaxPerVisitor: 64, Idle: 10 * time.Minute}

// hostedLimits are left to the front, which has counted the stream already. The
// Limiter is one for all, because it counts panics.
var hostedLimits = endpoint.Limits{Idle: 10 * time.Minute}

// hosted serves an onion's streams by an endpoint of the box.
type hosted struct {
	endpoint.Endpoint
	host    string // "KEY.onion"
	id      string // whom all its visitors count as; "": each circuit is one
	limiter *endpoint.Limiter
	log     *slog.Logger
}

// ServeStream implements onion.Handler.
func (h hosted) ServeStream(ctx context.Context, c *net.UnixConn, s onion.Stream) error {
	endpoint.ServeOne(ctx, c, h.Endpoint, endpoint.Visitor{
		Host: h.host, Port: s.Port, ID: cmp.Or(h.id, circuitID(s.Circuit)),
	}, h.limiter, h.log)
	return nil
}

// circuitID is a circuit as a Visitor.ID.
func circuitID(circuit uint32) string { return strconv.FormatUint(uint64(circuit), 10) }

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

// visitor is who a device's connection is for, and which device it counts for.
func (s *Server) visitor(c net.Conn, port uint16) endpoint.Visitor {
	return endpoint.Visitor{Host: boxName(c), Port: port, ID: string(s.Devices.OfConn(c.RemoteAddr()))}
}

// remote is the address of the device that is calling.
func remote(c net.Conn) netip.Addr { return device.Addr(c.RemoteAddr()) }

// limiters are a Limiter for each service of the household, so that whoever
// fills one service shuts nobody out of the others.
type limiters struct {
	limits endpoint.Limits

	mu  sync.Mutex
	all map[string]*endpoint.Limiter
}

// of returns the service's Limiter, which lives as long as the process.
func (l *limiters) of(service string) *endpoint.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = make(map[string]*endpoint.Limiter)
	}
	if l.all[service] == nil {
		l.all[service] = endpoint.NewLimiter(l.limits)
	}
	return l.all[service]
}

// counts are those of all services.
func (l *limiters) counts() (list []link.Service) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, one := range l.all {
		list = append(list, link.Service{Name: name, ServiceCounts: link.ServiceCounts(one.Stats())})
	}
	return list
}
