package serve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// route says where one virtual port leads.
func (s *Server) route(f link.Front, p link.Port) onion.Route {
	if p.Endpoint != "" {
		if f.Phone != "" {
			return s.phoneRoute(f, p)
		}
		ep := s.endpoint(p.Endpoint)
		limiter := s.visitors
		if p.Endpoint == config.MuxEndpoint {
			limiter = s.patient
		}
		return onion.Route{Key: fmt.Sprintf("endpoint:%s:%p", p.Endpoint, ep),
			Handler: hosted{Endpoint: ep, host: f.Host, limiter: limiter, log: s.log}}
	}
	relay := s.relay(p)
	r := onion.Route{Key: fmt.Sprintf("%s %s %s %v", targetName(p), p.Proxy, p.HTTPHost, p.Places)}
	if p.HTTPHost != "" {
		relay.Site = &onion.Site{Host: p.HTTPHost, Keys: keysOf(f)}
		r.Key += fmt.Sprint(" ", relay.Site.Keys)
	}
	r.Handler = relay
	if share := s.places.of(p.Addr, true, p.Places); share != nil {
		r.Handler = placed{r.Handler, share}
	}
	return r
}

// keysOf are the addresses of an onion, former ones that still lead here too.
func keysOf(f link.Front) (keys []string) {
	for _, host := range append([]string{f.Host}, f.Former...) {
		keys = append(keys, strings.TrimSuffix(host, ".onion"))
	}
	return keys
}

// relay passes streams on to the target of a port.
func (s *Server) relay(p link.Port) onion.Relay {
	return onion.Relay{Proxy: onion.ProxyVersion(p.Proxy), Patience: p.Patience,
		Dial: func(ctx context.Context, circuit uint32) (net.Conn, error) { return s.dialPort(ctx, p, circuit) }}
}

// targetName tells two targets apart, and names one in the status.
func targetName(p link.Port) string {
	switch {
	case p.Unix != "":
		return "unix:" + p.Unix
	case p.Host != "":
		return fmt.Sprintf("%s:%d", p.Host, p.HostPort)
	}
	return p.Addr.String()
}

// dialPort connects to the target of a port. A name is looked up each time, and
// its addresses are tried in their order.
func (s *Server) dialPort(ctx context.Context, p link.Port, circuit uint32) (net.Conn, error) {
	switch {
	case p.Unix != "":
		return new(net.Dialer).DialContext(ctx, "unix", p.Unix)
	case p.Host == "":
		return s.dialTarget(ctx, p.Addr, circuit)
	}
	addrs, err := s.lookup(ctx, p.Host)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	for _, a := range addrs {
		try, cancel := context.WithTimeout(ctx, onion.DialTimeout/time.Duration(len(addrs)))
		conn, err = s.dialTarget(try, netip.AddrPortFrom(a, p.HostPort), circuit)
		cancel()
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// lookup returns the addresses of a host of the house: of a device, which the
// parent knows, or by the owner's server for the name. Nobody else is asked.
func (s *Server) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if strings.Contains(host, ".") {
		return s.names.lookup(ctx, host, s.resolver.LookupHome)
	}
	s.mu.Lock()
	addrs := slices.Clone(s.hosts[host])
	s.mu.Unlock()
	if len(addrs) == 0 {
		return nil, fmt.Errorf("no device is called %q, or it has no address now", host)
	}
	return addrs, nil
}

// maxNameAge bounds how long an address is used that a server gave for a name;
// a host may get another at any time.
const maxNameAge = 30 * time.Second

// names remembers the addresses of hosts for a moment, so that a page with
// many streams asks once. It holds as many as there are names in onions' files.
type names struct {
	mu    sync.Mutex
	known map[string]nameEntry
}

type nameEntry struct {
	addrs []netip.Addr
	until time.Time
}

func (n *names) lookup(ctx context.Context, host string,
	ask func(context.Context, string) ([]netip.Addr, time.Duration, error)) ([]netip.Addr, error) {
	n.mu.Lock()
	e := n.known[host]
	n.mu.Unlock()
	if time.Now().Before(e.until) {
		return e.addrs, nil
	}
	addrs, ttl, err := ask(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = make(map[string]nameEntry)
	}
	n.known[host] = nameEntry{addrs, time.Now().Add(min(ttl, maxNameAge))}
	return addrs, nil
}
