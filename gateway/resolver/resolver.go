// Package resolver is the household's DNS server: it answers devices on UDP
// and TCP, and sends each name to the one place that may see it.
//
// Public names go to tor's DNSPort, over a connection of the device's own, so
// that tor gives every device DNS circuits of its own, or, with Config.TLS, to a
// server that speaks DNS over TLS, through Tor too. Names that belong to the
// home are answered here or by the server that the owner named for them
// (dns.forward). Nothing falls back from one of these to another: a failure is
// SERVFAIL. What tor's DNSPort cannot carry (every type but A, AAAA and PTR)
// gets an empty answer, unless there is a TLS server.
//
// Use it in the unprivileged process that talks to devices. It dials nothing
// by itself: listeners and dialers are given to it. It keeps no name in any
// log. Do not use it as a resolver for the box's own programs: it isolates by
// the address of the client, and they all have the same.
package resolver

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"tunic/gateway/device"
	"tunic/gateway/fair"
)

// Limits that protect the box and the household's other devices.
const (
	maxQueries          = 512 // waiting for Tor or a forward server, all devices
	maxQueriesPerDevice = 32  // of them for one device
	maxConns            = 64  // TCP connections, all devices
	maxConnsPerDevice   = 8   // of them for one device

	// upstreamTimeout is the whole time that one question may take. Clients
	// ask again after about 5 s, so a later answer reaches nobody.
	upstreamTimeout = 5 * time.Second
	// forwardTry is how long a forward server may take to answer a datagram
	// before it is sent once more.
	forwardTry = 1500 * time.Millisecond
	// tcpIdle ends a TCP connection that sends no question or takes no answer.
	tcpIdle = 10 * time.Second
)

// Options are what a Resolver is given for life. Log, DialTor and DialForward
// are required.
type Options struct {
	Log *slog.Logger

	// DialTor returns a connected UDP socket to tor's DNSPort whose local
	// address is the device's own (LoopbackFor): tor isolates by it.
	DialTor func(ctx context.Context, device netip.Addr) (net.Conn, error)

	// DialForward returns a connected socket to a server of Config.Forward;
	// network is "udp" or "tcp".
	DialForward func(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error)

	// DialTLS returns a stream through Tor to Config.TLS, on circuits of the
	// device's own. Required only with it.
	DialTLS func(ctx context.Context, device netip.Addr, server netip.AddrPort) (net.Conn, error)

	// Roots are what the certificate of Config.TLS is checked by; nil means
	// the certificates of the box.
	Roots *x509.CertPool

	// Devices says which device an address belongs to, for limits of each. nil
	// means that each network is one.
	Devices *device.Table

	// Blocked reports whether a public name, or one of a network beside Tor, in lower case
	// without a final dot, does not exist for devices; nil: all do. Names of the house are not asked about, and
	// the box's own questions neither.
	Blocked func(name string) bool

	// Beside gives a name of a network beside Tor, in lower case without a final dot,
	// an address that leads there for one device; it is believed for localTTL. It
	// waits for nobody. Required only with Config.I2P.
	Beside func(device netip.Addr, name string) (a netip.Addr, ok bool)

	// Grant opens the way outside Tor to addresses of a domain of
	// Config.Bypass, for one device and as long as the answer holds. It
	// returns when the way is open. Required only with Bypass.
	Grant func(ctx context.Context, device netip.Addr, domain string, addrs []netip.Addr, ttl time.Duration) error
}

// Resolver answers the household's DNS questions. Its methods may be called
// from several goroutines.
type Resolver struct {
	Options
	state    atomic.Pointer[state]
	swapping sync.Mutex         // held while another state is put in force
	timeout  time.Duration      // upstreamTimeout, but in tests
	flights  singleflight.Group // one question of one device to Tor at a time
	queries  *fair.Share[device.Key]
	conns    *fair.Share[device.Key]
	onions   *onionShare
	forgot   atomic.Uint64 // how often Forget was called
	counts   counters
}

// counters are the live form of Stats.
type counters struct {
	queries, cached, failed, refused, blocked, panics atomic.Uint64
}

// Stats counts questions since New.
type Stats struct {
	Queries uint64 // well-formed questions
	Cached  uint64 // of them answered with what Tor had said before
	Failed  uint64 // of them answered SERVFAIL
	Refused uint64 // questions and connections beyond the limits
	Blocked uint64 // questions for names that do not exist here (Options.Blocked)
	Panics  uint64 // questions whose handling ended in a panic
}

// New returns a Resolver that answers as c says. It fails if c is impossible.
func New(o Options, c Config) (*Resolver, error) {
	if o.Log == nil || o.DialTor == nil || o.DialForward == nil {
		return nil, errors.New("making the resolver: a logger and both dialers are required")
	}
	if o.Devices == nil {
		o.Devices = new(device.Table)
	}
	r := &Resolver{
		Options: o,
		timeout: upstreamTimeout,
		queries: fair.New[device.Key](maxQueriesPerDevice, maxQueries),
		conns:   fair.New[device.Key](maxConnsPerDevice, maxConns),
		onions:  newOnionShare(),
	}
	if err := r.Set(c); err != nil {
		return nil, err
	}
	return r, nil
}

// Set replaces the configuration; questions under way finish with the old one.
// On an error nothing changes. What is cached is forgotten only if c differs.
func (r *Resolver) Set(c Config) error {
	if old := r.state.Load(); old != nil && old.config.Equal(c) {
		return nil
	}
	s, err := newState(r.Options, c)
	if err != nil {
		return err
	}
	r.swap(s)
	return nil
}

// swap puts a state in force. What was learned of a filter stays if it is the same
// one: forgotten, it would be sent a question of its own for a moment.
func (r *Resolver) swap(s *state) {
	r.swapping.Lock()
	defer r.swapping.Unlock()
	old := r.state.Load()
	switch upstream := s.config.Upstream; {
	case old != nil && old.filter != nil && old.filter.server == upstream:
		s.filter = old.filter
	case upstream.IsValid():
		s.filter = newFilter(r, upstream)
	}
	r.state.Store(s)
	if s.filter != nil && (old == nil || s.filter != old.filter) {
		s.filter.prove()
	}
	if old == nil {
		return
	}
	if old.pool != nil {
		old.pool.close()
	}
	if old.filter != nil && old.filter != s.filter {
		old.filter.stop()
	}
}

// Forget drops what was learned for a device and its connection to the TLS
// server, so that its next question has new circuits.
func (r *Resolver) Forget(device netip.Addr) {
	s := r.state.Load()
	s.cache.forget(device)
	r.forgot.Add(1) // after it: a reader that knows of it finds nothing there any more
	if s.pool != nil {
		s.pool.forget(device)
	}
}

// Stats returns the counters.
func (r *Resolver) Stats() Stats {
	return Stats{
		Queries: r.counts.queries.Load(),
		Cached:  r.counts.cached.Load(),
		Failed:  r.counts.failed.Load(),
		Refused: r.counts.refused.Load(),
		Blocked: r.counts.blocked.Load(),
		Panics:  r.counts.panics.Load(),
	}
}
