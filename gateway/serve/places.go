package serve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"tunic/gateway/fair"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/splice"
)

var errNoPlace = errors.New("the server has no place for another connection")

// places divides what servers on the box have of them. Visitors of onions and
// the household each have their own: neither keeps the other out.
type places struct {
	mu  sync.Mutex
	all map[ofServer]*fair.Share[string]
}

type ofServer struct {
	server netip.AddrPort
	onion  bool
	link.Places
}

// of returns the share of a server, which all ways to it have in common, and
// nil if it has no bound of its own.
func (p *places) of(server netip.AddrPort, onion bool, n link.Places) *fair.Share[string] {
	if n == (link.Places{}) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[ofServer]*fair.Share[string])
	}
	key := ofServer{server, onion, n}
	if p.all[key] == nil {
		p.all[key] = fair.Lasting[string](n.Each, n.Total)
	}
	return p.all[key]
}

// placed is a handler whose streams take places of a server.
type placed struct {
	onion.Handler
	share *fair.Share[string]
}

// ServeStream implements onion.Handler.
func (p placed) ServeStream(ctx context.Context, c *net.UnixConn, s onion.Stream) error {
	leave, ok := p.share.Enter(circuitID(s.Circuit), func() { c.Close() })
	if !ok {
		return errNoPlace
	}
	defer leave()
	return p.Handler.ServeStream(ctx, c, s)
}

// Starts implements onion.Starter.
func (p placed) Starts() bool {
	h, ok := p.Handler.(onion.Starter)
	return ok && h.Starts()
}

// StartStream implements onion.Starter.
func (p placed) StartStream(ctx context.Context, c *net.UnixConn, s onion.Stream, own func(cut func()), over func(error)) error {
	place := new(splice.Cutter)
	place.By(func() { c.Close() })
	leave, ok := p.share.Enter(circuitID(s.Circuit), place.Cut)
	if !ok {
		return errNoPlace
	}
	err := p.Handler.(onion.Starter).StartStream(ctx, c, s,
		func(cut func()) { place.By(cut); own(cut) }, func(err error) { leave(); over(err) })
	if err != nil {
		leave()
	}
	return err
}
