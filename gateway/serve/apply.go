package serve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"

	"tunic/gateway/config"
	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/gopher"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/resolver"
)

// apply makes d true as far as it can and returns, in words, what it could not.
func (s *Server) apply(ctx context.Context, d link.Desired) []string {
	s.mu.Lock()
	s.box, s.wished, s.hosts = d.DNS.Box, d.Fronts, d.Hosts
	s.mu.Unlock()
	s.torSOCKS.Store(&net.UnixAddr{Name: d.TorSOCKS, Net: "unix"})
	a := application{Server: s, ctx: ctx, wanted: make(map[string]bool)}
	a.setUsers(d.Users)
	a.certificate(d.TLS)
	a.phoneCertificates(d.PhoneTLS)
	a.endpoints(d.Gopher)
	a.mail(d.Mail)
	a.peers(d.Peers)
	a.offers(d.Services)
	a.hostedServers(d.Terminators)
	a.files(d.Files)
	a.onions(d)
	a.i2p(d.I2P, d.DNS.I2P)
	a.dns(d.DNS)
	a.time(d.NTP)
	a.setup(d.Setup)
	a.metrics(d.Metrics)
	a.page(d.Page)
	a.closedDNS(d.DNS.Box, d.Page)
	for _, name := range d.SOCKS.Listeners {
		a.run(name, "socks", s.serveSOCKS)
	}
	for name := range s.listeners {
		if !a.wanted[name] {
			s.drop(name)
		}
	}
	return a.failed
}

// application is one pass of apply.
type application struct {
	*Server
	ctx    context.Context
	wanted map[string]bool // listeners that something needs
	failed []string
}

func (a *application) fail(format string, args ...any) {
	a.failed = append(a.failed, fmt.Sprintf(format, args...))
}

func (a *application) run(name, key string, serve func(context.Context, *os.File) error) {
	a.wanted[name] = true
	if err := a.start(a.ctx, name, key, serve); err != nil {
		a.fail("%v", err)
	}
}

// keep has listeners stay on which nothing can run now: none is handed over twice.
func (a *application) keep(names ...string) {
	for _, name := range names {
		a.wanted[name] = true
		if l := a.listeners[name]; l != nil {
			l.halt()
		}
	}
}

// endpoints prepares the servers of the box itself and their household side.
func (a *application) endpoints(want *link.Gopher) {
	if want == nil || a.gopher == nil || a.gopher.root != want.Root {
		a.newGopher(want)
	}
	switch {
	case want == nil:
		return
	case a.gopher == nil:
		a.keep(want.Listeners...)
		return
	}
	a.gopher.friends.Store(&want.Friends)
	server := a.gopher
	ep := server.Household(func() []gopher.Friend { return a.holes(*server.friends.Load()) })
	for _, name := range want.Listeners {
		a.run(name, want.Root, func(ctx context.Context, f *os.File) error {
			return a.serveHousehold(ctx, f, ep, gopherPort)
		})
	}
}

// newGopher replaces the Gopher server by one for another directory, or none.
func (a *application) newGopher(want *link.Gopher) {
	if a.gopher != nil {
		a.gopher.Close()
		a.gopher = nil
	}
	if want == nil {
		return
	}
	server, err := gopher.New(want.Root, a.log)
	if err != nil {
		a.fail("the Gopher endpoint: %v", err)
		return
	}
	a.gopher = &gopherServer{Server: server, root: want.Root}
}

// endpoint returns a running server of the box by its protocol.
func (s *Server) endpoint(name string) endpoint.Endpoint {
	switch {
	case name == config.PairEndpoint:
		return s.pair
	case name == config.MuxEndpoint:
		return s.mux
	case s.gopher != nil && s.gopher.Name() == name:
		return s.gopher
	}
	if p := s.smtp.get(); p != nil && name == p.Friends().Name() {
		return p.Friends()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.hosted[name]; b != nil && b.Onion {
		return b
	}
	return nil
}

// gopherPort is what visitors in the household dial (RFC 1436, section 3).
const gopherPort = 70

// serveHousehold serves an endpoint to the devices of the house.
func (s *Server) serveHousehold(ctx context.Context, f *os.File, ep endpoint.Endpoint, port uint16) error {
	ln, err := s.listen(f)
	if err != nil {
		return err
	}
	return endpoint.Serve(ctx, ln, ep, s.household.of(ep.Name()), func(c net.Conn) endpoint.Visitor {
		return s.visitor(c, port)
	}, s.log)
}

func (a *application) onions(d link.Desired) {
	wished := make(map[string]bool)
	for _, want := range d.Fronts {
		wished[want.Onion] = true
		for _, name := range a.frontsByI2P(want) {
			wished[name] = true
		}
		f := a.front(want, d.TorUID)
		f.SetRoutes(a.ctx, a.routes(want))
		a.run(want.Listener, f.key, func(ctx context.Context, file *os.File) error {
			ln, err := a.listen(file)
			if err != nil {
				return err
			}
			return f.Serve(ctx, ln)
		})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for name := range a.fronts {
		if !wished[name] {
			delete(a.fronts, name)
		}
	}
}

// front returns the onion's running front, or a new one if its address or
// tor's uid changed.
func (s *Server) front(want link.Front, torUID uint32) *front {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%s %d %s", want.Host, torUID, want.Phone)
	limits := onion.NewShare(circuitStreams, onionStreams)
	if want.Phone != "" {
		limits = onion.NewShare(phoneStreams, phoneStreams)
	}
	if f := s.fronts[want.Onion]; f != nil && f.key == key {
		return f
	}
	f := &front{key: key, Front: &onion.Front{
		TorUID: torUID, Limits: limits, Log: s.log.With("onion", want.Onion)}}
	s.fronts[want.Onion] = f
	return f
}

func (a *application) routes(f link.Front) map[uint16]onion.Route {
	routes := make(map[uint16]onion.Route, len(f.Ports))
	for _, p := range f.Ports {
		if p.Endpoint != "" && a.endpointAt(f.Phone, p.Endpoint) == nil {
			a.fail("onion %s, port %d: the endpoint %s does not run", f.Onion, p.Virtual, p.Endpoint)
			continue
		}
		routes[p.Virtual] = a.route(f, p)
	}
	return routes
}

// dns runs the resolver on each pair of listeners.
func (a *application) dns(want link.DNS) {
	if err := a.resolver.Set(resolverConfig(want)); err != nil {
		a.fail("the resolver: %v", err)
	}
	a.block(a.ctx, want.Block)
	a.resolve(a.resolver, want.Listeners)
}

// closedDNS runs the resolver of a closed household.
func (a *application) closedDNS(box []netip.Prefix, want *link.Page) {
	if err := a.closed.Set(resolver.Config{Box: box}); err != nil {
		a.fail("the resolver while the household is closed: %v", err)
	}
	if want != nil {
		a.resolve(a.closed, want.DNS)
	}
}

func (a *application) resolve(by *resolver.Resolver, pairs []link.DNSListener) {
	for _, pair := range pairs {
		a.wanted[pair.TCP] = true
		tcp := a.listeners[pair.TCP]
		if tcp == nil {
			a.fail("listener %s was not handed over", pair.TCP)
			continue
		}
		a.run(pair.UDP, pair.TCP, func(ctx context.Context, udp *os.File) error {
			return a.serveDNS(ctx, by, udp, tcp.file, pair.Box)
		})
		tcp.with = a.listeners[pair.UDP]
	}
}
