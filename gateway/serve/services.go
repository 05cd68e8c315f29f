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
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/drop"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/probe"
	"tunic/gateway/talk"
)

// services are what friends may use of this house. It decides who may what by what the
// parent said last; the parent looks again before it starts a command.
type services struct {
	*Server
	limits limiters // of devices that use what friends offer

	mu    sync.Mutex
	own   []link.OwnService
	sent  link.TLS
	count map[use]int
	open  map[*opened]struct{}
	inbox *drop.Inbox // nil: no file has come yet

	tables  talk.House[link.Key] // of friends
	home    link.Key             // of this box
	sitters map[*sitting]struct{}
	knocks  map[link.Key]knocked
}

// use is who uses what.
type use struct {
	service string
	friend  link.Key
}

// opened is a service at work for a friend.
type opened struct {
	use
	io.ReadWriteCloser
	half func() error
	fine func() bool
	end  func()
}

// CloseWrite implements mux.Stream.
func (o *opened) CloseWrite() error { return o.half() }

// Fine implements mux.Stream.
func (o *opened) Fine() bool { return o.fine() }

// Close implements mux.Stream. It may be called again.
func (o *opened) Close() error {
	o.end()
	return o.ReadWriteCloser.Close()
}

// newServices prepares the side that friends call.
func newServices(s *Server) {
	s.services = &services{Server: s, limits: limiters{limits: abroadLimits}, count: make(map[use]int), open: make(map[*opened]struct{})}
	s.abroad = &abroad{dial: s.socks.DialName, house: s.services}
	s.mux = &mux.Endpoint{House: s.services, Now: time.Now}
}

// offers says what friends may use, and lets the household use what they offer.
func (a *application) offers(want *link.Services) {
	if want == nil {
		a.services.set(nil)
		a.abroad.set(nil)
		return
	}
	a.services.be(want.Home)
	a.services.set(want.Own) // first: who may no longer use anything does not, whatever is wrong with the rest
	a.abroad.set(want.Friends)
	if err := a.services.prove(want.Leaf); err != nil {
		a.fail("services for friends: %v", err)
		a.keep(want.Listeners...)
		if want.Table != "" {
			a.keep(want.Table)
		}
		return
	}
	if want.Table != "" {
		a.run(want.Table, "tables", a.serveTables)
	}
	for _, name := range want.Listeners {
		a.run(name, "services", a.serveAbroad)
	}
}

// prove takes the certificate of home.
func (s *services) prove(leaf link.TLS) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if leaf == s.sent {
		return nil
	}
	pair, err := tls.X509KeyPair([]byte(leaf.Cert), []byte(leaf.Key))
	if err != nil {
		return fmt.Errorf("the certificate of this box: %w", err)
	}
	s.sent = leaf
	s.mux.Set(pair)
	s.abroad.leaf.Store(&pair)
	return nil
}

// set changes what friends may use. What somebody uses who may not any more, or what is
// another service now, ends.
func (s *services) set(own []link.OwnService) {
	s.mu.Lock()
	before := s.own
	s.own = own
	var over []*opened
	for o := range s.open {
		was, _, _ := find(before, o.friend, o.service)
		is, _, ok := find(own, o.friend, o.service)
		if !ok || !same(was, is) {
			over = append(over, o)
		}
	}
	s.endTalks()
	s.mu.Unlock()
	for _, o := range over {
		o.Close()
	}
}

// be says which box this is.
func (s *services) be(home link.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.home = home
}

// find returns a service that a friend may use, and who the friend is.
func find(list []link.OwnService, friend link.Key, name string) (link.OwnService, string, bool) {
	i := slices.IndexFunc(list, func(o link.OwnService) bool { return o.Name == name })
	if i < 0 {
		return link.OwnService{}, "", false
	}
	k := slices.IndexFunc(list[i].Friends, func(f link.ServiceFriend) bool { return f.Onion == friend })
	if k < 0 {
		return link.OwnService{}, "", false
	}
	return list[i], list[i].Friends[k].Name, true
}

// Friends implements mux.House.
func (s *services) Friends() (list []onion.Address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.own {
		for _, f := range o.Friends {
			if a := peer.Key(f.Onion).Address(); !slices.Contains(list, a) {
				list = append(list, a)
			}
		}
	}
	return list
}

// Names implements mux.House.
func (s *services) Names(friend onion.Address) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.own {
		if _, _, ok := find(s.own, link.Key(peer.KeyOf(friend)), o.Name); ok {
			names = append(names, o.Name)
		}
	}
	return names
}

// errFull is what a friend hears no more of than that the service does not work now.
var errFull = errors.New("the friend uses this service as often as they may")

// Open implements mux.House.
func (s *services) Open(ctx context.Context, friend onion.Address, name string) (mux.Stream, error) {
	key := use{name, link.Key(peer.KeyOf(friend))}
	service, petname, err := s.enter(key)
	if err != nil {
		return nil, err
	}
	o := &opened{use: key}
	switch {
	case service.Drop != nil:
		err = s.receive(o, *service.Drop, petname)
	case service.Talk:
		err = s.askedAt(ctx, o, petname)
	case service.Command:
		err = s.run(ctx, o)
	default:
		err = s.dialService(ctx, o, service, petname)
	}
	if err != nil {
		s.leave(key)
		if errors.As(err, new(mux.Words)) { // nothing is broken
			return nil, err
		}
		s.log.Warn("a service for a friend does not work", "service", name, "error", err)
		return nil, err
	}
	over := time.AfterFunc(service.Time+linger, func() { o.Close() })
	o.end = sync.OnceFunc(func() {
		over.Stop()
		s.leave(key)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, o)
	})
	if !s.opened(o, service) {
		o.Close()
		return nil, mux.ErrNone
	}
	return o, nil
}

// linger is how much later than the parent's own bound a command is ended here.
const linger = 10 * time.Second

// opened notes that a service works for a friend, if they may still use it and it is none other by now.
func (s *services) opened(o *opened, service link.OwnService) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	is, _, ok := find(s.own, o.friend, o.service)
	if ok = ok && same(service, is); ok {
		s.open[o] = struct{}{}
	}
	return ok
}

// same reports whether two are one service, whoever may use it.
func same(a, b link.OwnService) bool {
	a.Friends, b.Friends = nil, nil
	return reflect.DeepEqual(a, b)
}

// enter counts a stream of a friend.
func (s *services) enter(u use) (link.OwnService, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	service, petname, ok := find(s.own, u.friend, u.service)
	switch {
	case !ok:
		return service, "", mux.ErrNone
	case s.count[u] >= service.AtOnce:
		return service, "", errFull
	}
	s.count[u]++
	return service, petname, nil
}

func (s *services) leave(u use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[u]--; s.count[u] == 0 {
		delete(s.count, u)
	}
}

// run has the parent start the command.
func (s *services) run(ctx context.Context, o *opened) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("making the stream to the command: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making the pipe for the status: %w", err)
	}
	defer write.Close()
	parent := s.parent.Load()
	if parent == nil {
		err = errNoParent
	} else {
		_, err = link.AskFiles(ctx, parent, link.RunService, link.Run{Service: o.service, Friend: o.friend}, theirs, write)
	}
	conn, connErr := net.FileConn(ours)
	if err := errors.Join(err, connErr); err != nil {
		read.Close()
		return refused(err)
	}
	c := conn.(*net.UnixConn)
	o.ReadWriteCloser, o.half = &closing{c, read}, c.CloseWrite
	o.fine = func() bool {
		status := []byte{1}
		read.SetReadDeadline(time.Now().Add(linger)) // it comes before the end of the stream
		n, _ := read.Read(status)
		return n == 1 && status[0] == 0
	}
	return nil
}

// closing closes the pipe with the stream.
type closing struct {
	net.Conn
	status *os.File
}

func (c *closing) Close() error { return errors.Join(c.Conn.Close(), c.status.Close()) }

// dialService connects to the target of a service.
func (s *services) dialService(ctx context.Context, o *opened, service link.OwnService, petname string) error {
	ctx, cancel := context.WithTimeout(ctx, onion.DialTimeout)
	defer cancel()
	c, err := s.dialPort(ctx, service.Target, deviceNumber(string(o.friend[:])))
	if err != nil {
		return err
	}
	if service.Target.Proxy != "" {
		if _, err := c.Write(proxyForFriend(o.friend, petname)); err != nil {
			c.Close()
			return err
		}
	}
	o.ReadWriteCloser, o.half, o.fine = c, func() error { return closeWrite(c) }, func() bool { return true }
	return nil
}

// lookAtService says whether the server of a service takes connections. Nothing is sent there.
func (s *services) lookAtService(ctx context.Context, name string) (link.PortStatus, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.own, func(o link.OwnService) bool { return o.Name == name })
	var target link.Port
	if i >= 0 {
		target = s.own[i].Target
	}
	s.mu.Unlock()
	if target.Addr == (netip.AddrPort{}) && target.Host == "" && target.Unix == "" {
		return link.PortStatus{}, fmt.Errorf("no server is offered as %s", name)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	st := link.PortStatus{At: time.Now()}
	c, err := s.dialPort(ctx, target, deviceNumber(name))
	if err != nil {
		st.Error = probe.Reason(err)
		return st, nil
	}
	st.Reachable = true
	return st, c.Close()
}

// Types of what a PROXY header of version 2 may hold (haproxy.org, "The PROXY protocol",
// section 2.2), and ours, of those that are free for it.
const (
	proxySSL     = 0x20
	proxySSLName = 0x22
	proxyPetname = 0xe0
)

// proxyForFriend tells a target which friend comes: no address, but a certificate whose
// common name is KEY.onion, and the petname.
func proxyForFriend(friend link.Key, petname string) []byte {
	field := func(kind byte, value []byte) []byte {
		return append([]byte{kind, byte(len(value) >> 8), byte(len(value))}, value...)
	}
	const withCertificate = 1 | 2 | 4          // over TLS, with one in this connection and session
	ssl := []byte{withCertificate, 0, 0, 0, 0} // and it was verified
	name := field(proxySSLName, []byte(peer.Key(friend).Address().Host()))
	fields := append(field(proxySSL, append(ssl, name...)), field(proxyPetname, []byte(petname))...)
	header := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x00") // version 2, PROXY; no address
	return append(append(header, byte(len(fields)>>8), byte(len(fields))), fields...)
}
