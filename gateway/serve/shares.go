package serve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"tunic/gateway/config"
)

// How long a friend's box may take to answer at port 80 before the page about it is
// shown, and how long it is not asked again when it has not.
const (
	patience = 10 * time.Second
	silence  = 5 * time.Minute
)

// shares is a listener of those who have dialled port 80 of a friend's own onion. If
// there is a server it gets them; the others get the page of what the friend shares.
type shares struct {
	net.Listener
	dial func(ctx context.Context, device netip.Addr, to netip.AddrPort) (net.Conn, error)
	at   func(net.Conn) string // the address that was dialled
	come chan net.Conn         // who gets the page

	mu     sync.Mutex
	silent map[string]time.Time // friends that had no server there, until when
}

// serveShares serves the pages at friends' bare names.
func (a *application) serveShares(ctx context.Context, f *os.File) error {
	ln, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("taking over the listener: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &shares{Listener: limited{ln, a.household.of("shares"), a.Devices}, dial: a.socks.Dial, at: dialledOf,
		come: make(chan net.Conn), silent: make(map[string]time.Time)}
	go s.sort(ctx)
	return serveBrowsers(ctx, s, a.site.Shares())
}

// dialledOf is dialled for connections that are counted.
func dialledOf(c net.Conn) string {
	if counted, ok := c.(*counted); ok {
		c = counted.Conn
	}
	return dialled(c)
}

// Accept implements net.Listener for the page.
func (s *shares) Accept() (net.Conn, error) {
	c, ok := <-s.come
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// sort takes connections until the listener is closed.
func (s *shares) sort(ctx context.Context) {
	var all sync.WaitGroup
	defer close(s.come)
	defer all.Wait()
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			return
		}
		all.Go(func() { s.lead(ctx, c) })
	}
}

// lead brings a connection to the friend's server, or to the page.
func (s *shares) lead(ctx context.Context, c net.Conn) {
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if server := s.server(ctx, c); server != nil {
		defer server.Close()
		defer context.AfterFunc(ctx, func() { server.Close() })()
		join(c, server) // what went wrong is seen by the browser
		return
	}
	select {
	case s.come <- c:
	case <-ctx.Done():
		c.Close()
	}
}

// server dials the friend's own server at port 80; nil: there is none.
func (s *shares) server(ctx context.Context, c net.Conn) net.Conn {
	to, err := netip.ParseAddr(s.at(c))
	if err != nil || s.isSilent(to.String()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	server, err := s.dial(ctx, remote(c), netip.AddrPortFrom(to, config.PagePort))
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.silent[to.String()] = time.Now().Add(silence)
		return nil
	}
	return server
}

func (s *shares) isSilent(friend string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f, until := range s.silent {
		if time.Now().After(until) {
			delete(s.silent, f)
		}
	}
	_, silent := s.silent[friend]
	return silent
}
