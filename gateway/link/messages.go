package link

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// Kind tells messages apart on the wire.
type Kind byte

const (
	kindListener Kind = iota + 1
	kindCall
	kindReply
)

func (k Kind) String() string {
	switch k {
	case kindListener:
		return "listener"
	case kindCall:
		return "question"
	case kindReply:
		return "answer"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Message is one of Listener and, of the calls that package link makes of verbs,
// call and reply.
type Message interface{ kind() Kind }

// call is a question of one end.
type call struct {
	ID   uint64
	Verb string
	Body json.RawMessage
}

// reply answers the call with the same ID.
type reply struct {
	ID    uint64
	Error string          `json:",omitempty"` // why there is no answer; empty: there is
	Body  json.RawMessage `json:",omitempty"`
}

// Listener hands one listening socket over; its descriptor comes with it.
// A second one of the same name replaces the first.
type Listener struct {
	Name string
}

// Desired is the whole of what serve should do. Listeners that no part of it
// names are closed.
type Desired struct {
	TorUID      uint32 // the only uid that may connect to a front
	TorSOCKS    string // the unix socket of tor's SOCKS port
	Fronts      []Front
	DNS         DNS
	SOCKS       SOCKS
	Gopher      *Gopher  // nil: no Gopher endpoint
	Metrics     *Metrics // nil: nobody asks for numbers
	NTP         *NTP     // nil: nobody is told the time
	Mail        *Mail    // nil: no mail
	Users       Users
	TLS         *TLS  // nil: no certificate is there
	PhoneTLS    []TLS `json:",omitempty"` // for those who ask for a name in one of them
	Terminators []Terminator
	Files       *Files // nil: no XMPP
	Setup       *Setup // nil: there is no mail
	Page        *Page  // nil: the box has no page

	Hosts map[string][]netip.Addr // devices that are targets, by name
	Peers *Peers                  // nil: no other boxes

	I2P *I2P `json:",omitempty"` // nil: there is no I2P

	Services *Services // nil: friends use nothing here, and offer nothing
}

// Front is the listener behind one onion.
type Front struct {
	Onion    string   // its name in this house
	Host     string   // "KEY.onion"
	Former   []string `json:",omitempty"` // "KEY.onion": addresses that it had and that still lead here
	Listener string
	Ports    []Port
	I2P      *I2PFront `json:",omitempty"` // nil: it is not published by I2P

	// Phone is the name of the phone whose onion it is: it counts as one visitor, as a
	// device of the house does. "" of others.
	Phone string `json:",omitempty"`
}

// Port is one virtual port of an onion and where its streams go: exactly one
// of Addr, Host, Unix and Endpoint is set.
type Port struct {
	Virtual  uint16
	Addr     netip.AddrPort `json:",omitzero"`
	Host     string         `json:",omitempty"` // a device's name, or one below a domain of DNS.Forward
	HostPort uint16         `json:",omitempty"`
	Unix     string         `json:",omitempty"`
	Endpoint string         `json:",omitempty"`

	Proxy    string `json:",omitempty"` // "v1", "v2": the target is told the circuit
	HTTPHost string `json:",omitempty"` // replaces Host in HTTP/1.1 requests

	Patience time.Duration `json:",omitzero"` // see onion.Relay
	Places   Places        `json:",omitzero"` // what visitors have of Addr's

	Probe   string `json:",omitempty"` // the protocol that the target speaks; one of probe.Kinds
	Guessed bool   `json:",omitempty"` // by the port's number: it may be another
}

// DNS is the household's resolver.
type DNS struct {
	Listeners []DNSListener
	Box       []netip.Prefix // the box's own household addresses with their on-link prefixes
	Virtual4  netip.Prefix
	Virtual6  netip.Prefix
	I2P       netip.Prefix `json:",omitzero"` // for names of I2P; zero: they do not exist
	Forward   []Forward
	Resolver  *Resolver      // nil: tor's own
	Upstream  netip.AddrPort `json:",omitzero"` // a filter that is asked first
	Private   []string       // domains whose names may lead to private addresses
	Bypass    []string       // domains whose addresses need a Grant
	Names     []Name         // that have a meaning in this house alone
	Own       []OwnName      // the house's own onions
	Mail      *DNSMail       // nil: nobody has mail
	Block     *Block         // nil: every name exists
}

// DNSListener names a UDP socket and the TCP listener of the same address.
type DNSListener struct {
	UDP, TCP string
	Box      bool `json:",omitempty"` // for programs of the box itself
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
	Friends   []ServiceFriend // whose holes the household may search
}

// Metrics is the page of numbers.
type Metrics struct {
	Listeners []string
}

// Status is what serve knows of itself. Its counts are since serve has started,
// and have the fields of those who count: one that they add has to come here.
type Status struct {
	Panics   uint64 // conversations of visitors that ended in one
	Fronts   []FrontStatus
	DNS      DNSCounts
	SOCKS    SOCKSCounts
	Time     TimeCounts // of devices
	OwnTime  TimeCounts // of the box's own NTP client
	Services []Service  // for the household, by name
	Peers    []PeerStatus
	Block    []BlockStatus
	Upstream UpstreamStatus
	Knocks   []Knock // of friends who found nobody at their table
}

// Knock is the last one of a friend.
type Knock struct {
	Friend Key
	At     time.Time
}

// AllPanics counts all conversations that ended in a panic.
func (s Status) AllPanics() uint64 {
	n := s.Panics + s.DNS.Panics + s.SOCKS.Panics
	for _, one := range s.Services {
		n += one.Panics
	}
	return n
}

// DNSCounts are questions of devices and of the box itself.
type DNSCounts struct {
	Queries uint64 // well-formed ones
	Cached  uint64 // of them answered with what Tor had said before
	Failed  uint64 // of them answered SERVFAIL
	Refused uint64 // questions and connections beyond the limits
	Blocked uint64 // questions for names on a block list
	Panics  uint64
}

// SOCKSCounts are connections to the SOCKS proxy.
type SOCKSCounts struct {
	Active  int    // now, handshakes included
	Conns   uint64 // accepted
	Refused uint64 // beyond the limits, other protocols and commands, destinations in the house
	Failed  uint64 // not connected by tor
	Panics  uint64
	Up      uint64 // bytes from devices to tor, of ended directions
	Down    uint64 // bytes from tor to devices, of ended directions
}

// TimeCounts are questions for the time.
type TimeCounts struct {
	Answered uint64
	Refused  uint64 // beyond the limits, or no questions for the time
}

// Service is a service of the box for its household.
type Service struct {
	Name string // "gopher", "imap"
	ServiceCounts
}

// ServiceCounts are connections of devices to a service.
type ServiceCounts struct {
	Active   int // now
	Accepted uint64
	Refused  uint64 // beyond the limits
	Panics   uint64
}

// FrontStatus counts one onion's streams.
type FrontStatus struct {
	Onion   string
	Streams uint64 // since start
	Active  int
	Refused uint64 // beyond a limit, or for a port that it has not
	Ports   []PortStatus
}

func (Listener) kind() Kind { return kindListener }
func (call) kind() Kind     { return kindCall }
func (reply) kind() Kind    { return kindReply }

func decode(k Kind, body []byte) (Message, error) {
	switch k {
	case kindListener:
		return decodeAs[Listener](k, body)
	case kindCall:
		return decodeAs[call](k, body)
	case kindReply:
		return decodeAs[reply](k, body)
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
