package link

import (
	"encoding/json"
	"fmt"
	"net/netip"
)

// Kind tells messages apart on the wire.
type Kind byte

const (
	kindListener Kind = iota + 1
	kindDesired
	kindAsk
	kindAnswer
	kindGrant
	kindGranted
	kindRenew
)

func (k Kind) String() string {
	switch k {
	case kindListener:
		return "listener"
	case kindDesired:
		return "desired state"
	case kindAsk:
		return "question"
	case kindAnswer:
		return "answer"
	case kindGrant:
		return "grant"
	case kindGranted:
		return "reply to a grant"
	case kindRenew:
		return "renewal"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Message is one of Listener, Desired, Ask, Answer, Grant, Granted, Renew.
type Message interface{ kind() Kind }

// Listener hands one listening socket over; its descriptor comes with it.
// A second one of the same name replaces the first.
type Listener struct {
	Name string
}

// Desired is the whole of what serve should do. Listeners that no part of it
// names are closed. ID is answered with an Answer when it is in force.
type Desired struct {
	ID     uint64
	TorUID uint32 // the only uid that may connect to a front
	Fronts []Front
	DNS    DNS
	SOCKS  SOCKS
	Gopher *Gopher // nil: no Gopher endpoint
	NTP    *NTP    // nil: nobody is told the time
}

// Front is the listener behind one onion.
type Front struct {
	Onion    string // its name in this house
	Host     string // "KEY.onion"
	Listener string
	Ports    []Port
}

// Port is one virtual port of an onion and where its streams go: exactly one
// of the three targets is set.
type Port struct {
	Virtual  uint16
	Addr     netip.AddrPort `json:",omitzero"`
	Unix     string         `json:",omitempty"`
	Endpoint string         `json:",omitempty"`
}

// DNS is the household's resolver.
type DNS struct {
	Listeners []DNSListener
	Box       []netip.Prefix // the box's own household addresses with their on-link prefixes
	Virtual4  netip.Prefix
	Virtual6  netip.Prefix
	Forward   []Forward
	Resolver  *Resolver // nil: tor's own
	Bypass    []string  // domains whose addresses need a Grant
}

// DNSListener names a UDP socket and the TCP listener of the same address.
type DNSListener struct {
	UDP, TCP string
}

// Forward sends the names below a domain to a server outside Tor.
type Forward struct {
	Domain string
	Server netip.AddrPort
}

// SOCKS is the household's SOCKS5 proxy.
type SOCKS struct {
	Listeners []string
}

// Gopher is the Gopher endpoint; friends reach it through fronts, the
// household through Listeners.
type Gopher struct {
	Root      string
	Listeners []string
}

// Ask wants an Answer with the current status.
type Ask struct {
	ID uint64
}

// Answer replies to the Desired or Ask with the same ID.
type Answer struct {
	ID     uint64
	Errors []string // what could not be done, in words
	Status Status
}

// Status is what serve knows of itself.
type Status struct {
	Panics  uint64 // connections that ended in a panic
	Fronts  []FrontStatus
	Queries uint64 // DNS queries since start
	Failed  uint64 // of them not answered
	SOCKS   uint64 // SOCKS connections since start
}

// FrontStatus counts one onion's streams.
type FrontStatus struct {
	Onion   string
	Streams uint64 // since start
	Active  int
	Refused uint64 // by a limit
	Ports   []PortStatus
}

// PortStatus says whether a port's target took the last connection.
type PortStatus struct {
	Virtual   uint16
	Reachable bool
	Error     string `json:",omitempty"` // why not, without addresses of visitors
}

func (Listener) kind() Kind { return kindListener }
func (Desired) kind() Kind  { return kindDesired }
func (Ask) kind() Kind      { return kindAsk }
func (Answer) kind() Kind   { return kindAnswer }

func decode(k Kind, body []byte) (Message, error) {
	switch k {
	case kindListener:
		return decodeAs[Listener](k, body)
	case kindDesired:
		return decodeAs[Desired](k, body)
	case kindAsk:
		return decodeAs[Ask](k, body)
	case kindAnswer:
		return decodeAs[Answer](k, body)
	case kindGrant:
		return decodeAs[Grant](k, body)
	case kindGranted:
		return decodeAs[Granted](k, body)
	case kindRenew:
		return decodeAs[Renew](k, body)
	}
	return nil, fmt.Errorf("receiving a message: unknown %s", k)
}

func decodeAs[M Message](k Kind, body []byte) (Message, error) {
	var m M
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("decoding a %s message: %w", k, err)
	}
	return m, nil
}
