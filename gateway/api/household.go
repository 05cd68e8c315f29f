package api

import (
	"context"
	"time"
)

// DeviceRequest changes a device. Empty fields stay as they are.
type DeviceRequest struct {
	Device string        `json:"device"` // its name; with For or End also its MAC or IP address
	MAC    string        `json:"mac,omitempty"`
	Policy string        `json:"policy,omitempty"`
	For    time.Duration `json:"for,omitempty"` // 0: for good, in its file
	End    bool          `json:"end,omitempty"` // alone: a policy for a while ends now
}

// PortalRequest lets a device reach the log-in page of the network that the
// box is a guest of.
type PortalRequest struct {
	Device   string        `json:"device"` // name, MAC or IP address
	For      time.Duration `json:"for,omitempty"`
	To       []string      `json:"to,omitempty"`       // the only destinations: addresses or prefixes
	Resolver string        `json:"resolver,omitempty"` // address of the network's DNS server; empty: the box's own one
	Close    bool          `json:"close,omitempty"`    // close it now
}

// Portal is what was opened.
type Portal struct {
	MAC       string    `json:"mac"`
	Name      string    `json:"name,omitempty"`
	Until     time.Time `json:"until"`
	UntilTor  bool      `json:"until_tor"` // it also closes when Tor is connected
	Resolvers []string  `json:"resolvers"`
	To        []string  `json:"to"` // empty: anywhere outside the household
}

// NewNymRequest asks for circuits that have nothing to do with those before.
type NewNymRequest struct {
	Device string `json:"device,omitempty"` // empty: everybody
}

// NewNym says what came of it.
type NewNym struct {
	Addresses []string `json:"addresses,omitempty"` // of the device
	Circuits  int      `json:"circuits"`            // of the device's that were closed
}

// WhyRequest asks what happens to a connection. One of Device and Own is set.
type WhyRequest struct {
	Device   string `json:"device,omitempty"` // name, MAC or IP address of the sender
	Own      bool   `json:"own,omitempty"`    // the box itself sends
	UID      uint32 `json:"uid,omitempty"`    // with Own: the sender's user
	To       string `json:"to"`               // IP address
	Port     uint16 `json:"port,omitempty"`
	Protocol string `json:"protocol"` // "tcp", "udp", "icmp", "ipv6-icmp" or a number
}

// Addresses that stand for the internet (RFC 5737, RFC 3849).
const (
	Somewhere4 = "192.0.2.1"
	Somewhere6 = "2001:db8:ffff::1"
)

// Usual are the connections of a sender that people wonder about; where the household has no
// IPv6 the last one has no answer.
func Usual(from WhyRequest) []WhyRequest {
	var list []WhyRequest
	for _, what := range []WhyRequest{
		{To: Somewhere4, Port: 443, Protocol: "tcp"}, {To: Somewhere4, Port: 443, Protocol: "udp"},
		{To: Somewhere4, Port: 53, Protocol: "udp"}, {To: Somewhere6, Port: 443, Protocol: "tcp"},
	} {
		r := from
		r.To, r.Port, r.Protocol = what.To, what.Port, what.Protocol
		list = append(list, r)
	}
	return list
}

// Why explains one connection.
type Why struct {
	From   string    `json:"from"` // who sends, in words
	To     string    `json:"to"`   // what and where to, in words
	Policy string    `json:"policy,omitempty"`
	State  State     `json:"state"`
	Result string    `json:"result"` // what happens to it, in words
	End    string    `json:"end"`    // "passed", "redirected", "turned", "refused", "dropped"
	Rules  []WhyRule `json:"rules"`  // those that match, in order
}

// WhyRule is one rule that the connection meets.
type WhyRule struct {
	Family  string  `json:"family"` // "ip4", "ip6"
	Table   string  `json:"table"`
	Chain   string  `json:"chain"`
	Number  int     `json:"number"` // in its chain, from 1
	Rule    string  `json:"rule"`
	Packets *uint64 `json:"packets,omitempty"` // that matched since the rules were loaded; absent when not known
}

// ProbeRequest names an interface that exists for a test.
type ProbeRequest struct {
	Interface string        `json:"interface"`
	For       time.Duration `json:"for,omitempty"` // 0 ends it now
}

// Devices lists the household's devices.
func (c *Client) Devices(ctx context.Context) ([]Device, error) {
	return ask(ctx, c, verbDevices, struct{}{})
}

// SetDevice changes a device and returns what it is now.
func (c *Client) SetDevice(ctx context.Context, r DeviceRequest) (Device, error) {
	return ask(ctx, c, verbSetDevice, r)
}

// Portal opens or closes a device's way to a log-in page.
func (c *Client) Portal(ctx context.Context, r PortalRequest) (Portal, error) {
	return ask(ctx, c, verbPortal, r)
}

// NewNym asks for fresh circuits.
func (c *Client) NewNym(ctx context.Context, r NewNymRequest) (NewNym, error) {
	return ask(ctx, c, verbNewNym, r)
}

// Why explains a connection.
func (c *Client) Why(ctx context.Context, r WhyRequest) (Why, error) {
	return ask(ctx, c, verbWhy, r)
}

// Probe begins or ends the treatment of an interface as the household's.
func (c *Client) Probe(ctx context.Context, r ProbeRequest) error {
	_, err := ask(ctx, c, verbProbe, r)
	return err
}
