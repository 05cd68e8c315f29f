// Package serve is the child that talks to strangers and devices: it runs the
// fronts of the onions, the endpoints, the resolver and the SOCKS proxy, on
// listeners that the parent opened, as a user without any capability.
//
// It decides nothing: what to run is the Desired message of package link. It
// may crash at any time; the parent starts it again with the same listeners.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"tunic/gateway/account"
	"tunic/gateway/away"
	"tunic/gateway/blocklist"
	"tunic/gateway/config"
	"tunic/gateway/device"
	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/gopher"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/endpoint/pair"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/page"
	"tunic/gateway/resolver"
	"tunic/gateway/socks"
)

// Server is the state of one serve process.
type Server struct {
	// Devices says which device an address belongs to. Its Read may be set
	// before Run; without, each network is one device.
	Devices *device.Table

	log      *slog.Logger
	resolver *resolver.Resolver
	closed   *resolver.Resolver // while the household is closed
	socks    *socks.Server

	blocks     *blocklist.Keeper
	identities identities
	clock      *timeServer
	parent     atomic.Pointer[link.End] // nil before Run
	pair       *pair.Endpoint
	dialer     *pair.Dialer
	gate       *away.Gate // by which friends' boxes are dialled

	listeners  map[string]*listener
	gopher     *gopherServer     // nil: no Gopher endpoint
	household  limiters          // for the household's side of endpoints
	smtp       currentMail       // mail
	waiting    limiters          // for clients of servers on the box
	visitors   *endpoint.Limiter // for visitors of endpoints
	patient    *endpoint.Limiter // for friends at services, which have bounds of their own
	places     places            // of servers on the box
	torSOCKS   atomic.Pointer[net.UnixAddr]
	probes     probes
	users      link.Users
	book       atomic.Pointer[account.Book]                // who may log in
	cert       atomic.Pointer[certificate]                 // of the household's servers; nil: none is there
	phones     phones                                      // that are away from home
	phoneCerts atomic.Pointer[map[string]*tls.Certificate] // theirs, by name
	names      names
	site       *page.Site
	services   *services // that friends may use
	mux        *mux.Endpoint
	abroad     *abroad // friends' services
	beside     *i2p    // names of I2P

	mu     sync.Mutex        // guards what status and the fronts' dials read
	fronts map[string]*front // by onion name
	wished []link.Front
	hosts  map[string][]netip.Addr // devices that are targets
	hosted map[string]*terminator  // servers on the box that are reached through us
	box    []netip.Prefix          // the box's own household addresses

	accepting context.Context // ended when this process takes nothing new
	shut      context.CancelFunc
	drained   chan struct{} // closed when, after that, nothing goes on any more
}

// listener is a socket that came over the link, and what runs on it.
type listener struct {
	file   *os.File
	key    string             // what runs on it; see start
	cancel context.CancelFunc // nil: nothing runs on it
	done   chan struct{}
	with   *listener // what runs on that one has this one too; may be nil
}

// front is a running onion.Front with what it was made for.
type front struct {
	*onion.Front
	key string
}

// gopherServer is the Gopher endpoint with the directory it was made for.
type gopherServer struct {
	*gopher.Server
	root    string
	friends atomic.Pointer[[]link.ServiceFriend] // whose holes the household may search
}

// New returns a Server that runs nothing yet.
func New(log *slog.Logger) (*Server, error) {
	s := &Server{
		log:       log,
		Devices:   new(device.Table),
		listeners: make(map[string]*listener),
		fronts:    make(map[string]*front),
		household: limiters{limits: householdLimits},
		waiting:   limiters{limits: waitingLimits},
		visitors:  endpoint.NewLimiter(hostedLimits),
		patient:   endpoint.NewLimiter(endpoint.Limits{}),
		phones:    phones{limiter: endpoint.NewLimiter(endpoint.Limits{Idle: waitingLimits.Idle})},
	}
	s.accepting, s.shut = context.WithCancel(context.Background())
	s.drained = make(chan struct{})
	s.book.Store(account.NewBook("", nil))
	s.torSOCKS.Store(new(net.UnixAddr)) // until the parent says where it is
	s.blocks = newBlocks(s)
	var err error
	if s.resolver, err = newResolver(s); err != nil {
		return nil, fmt.Errorf("preparing the resolver: %w", err)
	}
	if s.closed, err = newClosed(s); err != nil {
		return nil, fmt.Errorf("preparing the resolver while the household is closed: %w", err)
	}
	s.socks, err = newSOCKS(s)
	if err != nil {
		return nil, fmt.Errorf("preparing the SOCKS proxy: %w", err)
	}
	if s.clock, err = newTimeServer(s); err != nil {
		return nil, fmt.Errorf("preparing the time server: %w", err)
	}
	newPeers(s)
	newServices(s)
	s.beside = newI2P(config.Loopback(config.I2PDPort))
	s.site = page.New(asked{s})
	return s, nil
}

// Run obeys the parent until it goes away or ctx ends, and if it was told to take
// nothing new, until what there is has ended.
func (s *Server) Run(ctx context.Context, parent *link.Conn) error {
	defer s.stopAll()
	end := link.NewEnd(parent, s.answers())
	s.parent.Store(end)
	stop := context.AfterFunc(ctx, func() { end.Close() })
	defer stop()
	if err := end.Run(ctx); !errors.Is(err, link.ErrClosed) {
		return fmt.Errorf("listening to the parent: %w", err)
	}
	if s.accepting.Err() != nil {
		select {
		case <-s.drained:
		case <-ctx.Done():
		}
	}
	return nil
}

// answers are what serve does for the parent.
func (s *Server) answers() *link.Mux {
	m := &link.Mux{Take: s.take}
	link.Handle(m, link.Apply, func(ctx context.Context, d link.Desired) ([]string, error) { return s.apply(ctx, d), nil })
	link.Handle(m, link.Report, func(ctx context.Context, _ struct{}) (link.Status, error) { return s.status(ctx), nil })
	link.Handle(m, link.Renew, s.renew)
	link.Handle(m, link.Reach, s.reach)
	link.Handle(m, link.LookAtService, s.services.lookAtService)
	link.Handle(m, link.Try, s.try)
	link.Handle(m, link.AskMail, s.answerMail)
	link.Handle(m, link.TellAdmins, s.tellAdmins)
	link.Handle(m, link.Rest, s.rest)
	link.Handle(m, link.Sample, takeSample)
	link.Handle(m, link.Drain, s.drain)
	return m
}

// take stores a listener; one that runs under the same name is replaced.
func (s *Server) take(name string, f *os.File) error {
	s.drop(name)
	s.listeners[name] = &listener{file: f}
	return nil
}

// start runs what is given on the named listener. If something runs there
// already, it goes on when it was started with the same key, else it is ended
// first; callers wait in the socket's backlog meanwhile.
func (s *Server) start(ctx context.Context, name, key string, run func(context.Context, *os.File) error) error {
	l := s.listeners[name]
	if l == nil {
		return fmt.Errorf("listener %s was not handed over", name)
	}
	if l.cancel != nil && l.key == key {
		return nil
	}
	l.halt()
	ctx, l.cancel = context.WithCancel(ctx)
	l.key, l.done = key, make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		if err := run(ctx, l.file); err != nil {
			s.log.Error("a listener stopped", "listener", name, "error", err)
		}
	}(l.done)
	return nil
}

// halt ends what runs on the listener and waits for it.
func (l *listener) halt() {
	if l.cancel == nil {
		return
	}
	l.cancel()
	<-l.done
	l.cancel = nil
}

// drop ends what runs on a listener and closes it.
func (s *Server) drop(name string) {
	if l := s.listeners[name]; l != nil {
		l.halt()
		if l.with != nil {
			l.with.halt()
		}
		l.file.Close()
		delete(s.listeners, name)
	}
}

func (s *Server) stopAll() {
	defer s.smtp.replace(nil)
	for name := range s.listeners {
		s.drop(name)
	}
}

// local reports whether addr is the box itself.
func (s *Server) local(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.box {
		if p.Addr() == addr {
			return true
		}
	}
	return false
}

// dialTarget connects to an onion's target for one circuit. A target on the
// box is dialled from an address of the circuit's own where IPv4 allows it.
func (s *Server) dialTarget(ctx context.Context, to netip.AddrPort, circuit uint32) (net.Conn, error) {
	var d net.Dialer
	local := s.local(to.Addr())
	if local {
		d.KeepAlive = -1 // what is on the same machine cannot go without a word
	}
	if to.Addr().Is4() && local {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(onion.CircuitSource(circuit), 0))
	}
	return d.DialContext(ctx, "tcp", to.String())
}
