package link

import (
	"net/netip"
	"time"
)

// Grant is the one thing that serve asks the parent to change in the rules:
// that a device reaches addresses of a domain outside Tor for a while. The
// parent checks it against the configuration.
type Grant struct {
	Device netip.Addr // that asked for the name
	Domain string     // as the configuration names it, not the name below it
	Addrs  []netip.Addr
	TTL    time.Duration // of the answer that the device waits for
}

// NTP is the household's time server.
type NTP struct {
	Listeners []string // UDP sockets, for devices
	Trusted   bool     // the box's clock is right, as far as the parent can tell

	Own    []string // UDP sockets, for the box's own NTP client
	Relays *RelayTime
}

// RelayTime is what relays of the Tor network agree on; nil: nothing that is new
// enough.
type RelayTime struct {
	Start time.Time     // the time at which the machine started
	Error time.Duration // how wrong that was
	Boot  time.Duration // after the start, when they were asked
}

// UpstreamStatus is how the server of DNS.Upstream is; zero: well, or there is none.
type UpstreamStatus struct {
	Silent    bool `json:",omitempty"` // it does not answer
	Elsewhere bool `json:",omitempty"` // it asks another server than this box
}

// Resolver is a DNS over TLS server that answers for all public names.
type Resolver struct {
	Server netip.AddrPort
	Name   string // in its certificate; "": the certificate names the address
}
