package resolver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/device"
)

// TLSServer is a server that speaks DNS over TLS (RFC 7858).
type TLSServer struct {
	Addr netip.AddrPort
	Name string // that its certificate must have; "": its address
}

const (
	maxLines = 128              // connections to the TLS server, one for each device
	lineIdle = 30 * time.Second // without a question or an answer
	// lineDial is longer than a question may take: the device's next try finds
	// the connection that its first one began.
	lineDial = 20 * time.Second
	// lineSilence is how long a question may wait before the connection counts
	// as dead.
	lineSilence = 3 * time.Second
	// lineTries is one more than a question needs when its first connection had
	// ended, and another question of the device made the second one.
	lineTries = 3
)

var (
	errLineEnded = errors.New("the connection to the resolver has ended")
	errLinesFull = errors.New("too many devices ask at a time")
)

// pool keeps a connection to the TLS server for each device, so that tor
// carries them on circuits of the device's own, and a TLS session never tells
// the server that two circuits are one household (sessions are not resumed).
type pool struct {
	dial   func(ctx context.Context, device netip.Addr, server netip.AddrPort) (net.Conn, error)
	server netip.AddrPort
	tls    *tls.Config
	idle   time.Duration
	silent time.Duration // lineSilence, but in tests

	of     func(netip.Addr) device.Key
	mu     sync.Mutex
	lines  map[owner]*line
	closed bool
}

// owner is a device at an address. Each address has circuits of its own, and who has one
// after another device gets neither what that one was answered nor its connection.
type owner struct {
	addr   netip.Addr
	device device.Key
}

func newPool(o Options, server TLSServer) *pool {
	name := server.Name
	if name == "" {
		name = server.Addr.Addr().String()
	}
	return &pool{dial: o.DialTLS, server: server.Addr, idle: lineIdle, silent: lineSilence, of: o.Devices.Of,
		lines: make(map[owner]*line),
		tls:   &tls.Config{ServerName: name, RootCAs: o.Roots, MinVersion: tls.VersionTLS12}}
}

// exchange puts a question to the server for a device. A connection that was
// kept may have ended meanwhile: then it is asked once more on a new one.
func (p *pool) exchange(ctx context.Context, device netip.Addr, m *dns.Msg) (*dns.Msg, error) {
	for range lineTries {
		l, fresh, err := p.line(ctx, device)
		if err != nil {
			return nil, err
		}
		reply, err := l.ask(ctx, m)
		if err == nil || fresh || !errors.Is(err, errLineEnded) {
			return reply, err
		}
	}
	return nil, errLineEnded
}

// line returns the device's connection, and whether it was made just now.
func (p *pool) line(ctx context.Context, device netip.Addr) (l *line, fresh bool, err error) {
	who := owner{device, p.of(device)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, errLineEnded
	}
	if l := p.lines[who]; l != nil && l.why() == nil {
		return l, false, nil
	}
	if len(p.lines) >= maxLines && !p.hangUp(who.device) {
		return nil, false, errLinesFull
	}
	l = &line{idle: p.idle, silent: p.silent, ready: make(chan struct{}), ended: make(chan struct{}), waiting: make(map[uint16]*waiter)}
	p.lines[who] = l
	dialCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lineDial)
	l.cancel = cancel
	go func() {
		defer p.drop(who, l)
		defer cancel()
		conn, err := p.connect(dialCtx, device)
		if err != nil {
			l.end(err)
			return
		}
		l.run(conn)
	}()
	return l, true, nil
}

// connect dials through Tor and checks the server's certificate.
func (p *pool) connect(ctx context.Context, device netip.Addr) (net.Conn, error) {
	raw, err := p.dial(ctx, device, p.server)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, p.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// hangUp ends one connection for a new one of who: one on which nobody waits, of
// the device that has the most, or any of that device if it has more than who
// will.
func (p *pool) hangUp(who device.Key) bool {
	count := make(map[device.Key]int)
	for o := range p.lines {
		count[o.device]++
	}
	var worst owner
	most := 0
	for o, l := range p.lines {
		n := count[o.device]
		if l.quiet() {
			n += maxLines // before all on which somebody waits
		} else if n <= count[who]+1 {
			continue
		}
		if n > most {
			worst, most = o, n
		}
	}
	l := p.lines[worst]
	if l == nil {
		return false
	}
	delete(p.lines, worst)
	l.end(errLineEnded)
	return true
}

func (p *pool) drop(who owner, l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lines[who] == l {
		delete(p.lines, who)
	}
}

// forget ends the connections of an address: its next question has a new one.
func (p *pool) forget(device netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for who, l := range p.lines {
		if who.addr == device {
			delete(p.lines, who)
			l.end(errLineEnded)
		}
	}
}

// close ends all connections for good.
func (p *pool) close() {
	p.mu.Lock()
	lines := p.lines
	p.lines, p.closed = make(map[owner]*line), true
	p.mu.Unlock()
	for _, l := range lines {
		l.end(errLineEnded)
	}
}
