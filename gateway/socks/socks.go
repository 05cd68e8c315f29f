// Package socks is the household's SOCKS5 proxy: it hands each device's
// connections to tor's SocksPort, under credentials of the device's own.
//
// tor isolates streams by those credentials (IsolateSOCKSAuth, on by default),
// so two devices never share a circuit, and a program that gives a user name
// or password of its own (RFC 1929) gets circuits apart from the device's
// other programs. Any credentials are accepted: they isolate, they admit
// nobody. Host names reach tor as they came and are resolved nowhere else.
//
// CONNECT is served, and tor's own RESOLVE and RESOLVE_PTR, without which
// torsocks finds no name. BIND and UDP ASSOCIATE are refused, as Tor has
// neither. SOCKS4 clients are closed.
//
// Use it in the unprivileged process that talks to devices. It dials nothing
// by itself: listeners and the way to tor are given to it. It keeps no
// destination in any log. The box's own connections to onions go the same way
// (DialOnion).
package socks

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"tunic/gateway/device"
	"tunic/gateway/fair"
)

// Defaults of Options.
const (
	// What tor gives a device and all of them (gateway/tor): a house of 200 devices, each
	// with a browser, has some thousand. A stream holds two descriptors, and 10 KB.
	defaultMaxConns     = 8192
	defaultMaxPerDevice = 1024

	defaultHandshakeTimeout = 30 * time.Second
	// tor gives a stream up after two minutes (SocksTimeout).
	defaultConnectTimeout = 120 * time.Second
	defaultGrace          = 5 * time.Second
)

// Household knows what belongs to the house. Such a destination is refused
// before tor sees it.
type Household interface {
	// HomeName reports whether the name must not be asked of Tor.
	HomeName(name string) bool
	// OnionName returns the onion, "KEY.onion", that a name in this house
	// stands for, or "".
	OnionName(name string) string
	// HomeAddr reports whether the address is reached in the house or
	// nowhere. The virtual addresses of onions are not home.
	HomeAddr(a netip.Addr) bool
}

// Options are what a Server is given for life.
type Options struct {
	Log  *slog.Logger // required
	Home Household    // required

	// DialTor connects to tor's SocksPort. Required. The type is concrete
	// because the kernel moves the data (splice) only between bare sockets.
	DialTor func(ctx context.Context) (*net.UnixConn, error)

	// Identity is a number that changes when a device shall have nothing to do
	// with what it did before. nil means that it never does.
	Identity func(device netip.Addr) uint64

	// Devices says which device an address belongs to, for MaxPerDevice. nil
	// means that each network is one.
	Devices *device.Table

	MaxConns         int           // all devices, handshakes included; 0 means 8192
	MaxPerDevice     int           // of them of one device; 0 means 1024
	HandshakeTimeout time.Duration // until the device has said where to; 0 means 30 s
	ConnectTimeout   time.Duration // until tor has connected; 0 means 120 s
	Grace            time.Duration // for open streams when Serve ends; 0 means 5 s
}

// Server is the proxy. Its methods may be called from several goroutines.
type Server struct {
	Options
	secret [32]byte // makes credentials; new in each process
	counts counters
	share  *fair.Share[device.Key] // of devices' ends
}

// counters are the live form of Stats.
type counters struct {
	conns, refused, failed, panics, up, down atomic.Uint64
}

// Stats counts since New.
type Stats struct {
	Active  int    // connections now, handshakes included
	Conns   uint64 // connections accepted
	Refused uint64 // beyond the limits, other protocols and commands, destinations in the house
	Failed  uint64 // not connected by tor
	Panics  uint64 // connections that ended in a panic
	Up      uint64 // bytes from devices to tor, of ended directions
	Down    uint64 // bytes from tor to devices, of ended directions
}

// New returns a Server. It fails if something required is missing.
func New(o Options) (*Server, error) {
	if o.Log == nil || o.Home == nil || o.DialTor == nil {
		return nil, errors.New("making the SOCKS server: a logger, the household and a way to tor are required")
	}
	if o.Devices == nil {
		o.Devices = new(device.Table)
	}
	setDefault(&o.MaxConns, defaultMaxConns)
	setDefault(&o.MaxPerDevice, defaultMaxPerDevice)
	setDefault(&o.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&o.ConnectTimeout, defaultConnectTimeout)
	setDefault(&o.Grace, defaultGrace)
	s := &Server{
		Options: o,
		share:   fair.New[device.Key](o.MaxPerDevice, o.MaxConns),
	}
	rand.Read(s.secret[:]) // never fails
	return s, nil
}

func setDefault[T int | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	return Stats{
		Active:  s.share.Open(),
		Conns:   s.counts.conns.Load(),
		Refused: s.counts.refused.Load(),
		Failed:  s.counts.failed.Load(),
		Panics:  s.counts.panics.Load(),
		Up:      s.counts.up.Load(),
		Down:    s.counts.down.Load(),
	}
}
