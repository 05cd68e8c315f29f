package rules

import "net/netip"

// Mode says how far the household is open.
type Mode int

const (
	// Lockdown is the closed state: the household reaches nothing but the box.
	Lockdown Mode = iota
	// Open lets each device's traffic through as its policy says.
	Open
)

// Policy is what happens to a device's traffic. Its number is the connection mark.
type Policy uint8

const (
	Tor    Policy = 1 // TCP and DNS through Tor, nothing else leaves
	Onion  Policy = 2 // DNS and virtual addresses through Tor, the rest direct
	Direct Policy = 3 // everything direct; virtual addresses through Tor
	Block  Policy = 4 // nothing leaves
)

// The mark that a policy leaves on a connection lies in four bits that no
// common program uses (mwan3 0x3f00, wg-quick 0xca6c, Docker and tailscale
// 0xff0000 and below), so foreign marks live beside it untouched.
const (
	MarkMask  uint32 = 0x0f000000
	MarkShift int    = 24
)

// Input is everything that the rules depend on. Compile is a pure function of it.
type Input struct {
	Mode       Mode
	Interfaces []string       // the household; none at all means "every interface" and only goes with Lockdown
	Group      uint32         // interface group of the household's interfaces, which stays when one gets another name; 0: none
	Checked    []string       // of the household's, those on whose wire others are too, or may be: only its sources reach the box there
	OneArm     bool           // the household's interface leads to the internet too: the box is beside the router
	Others     []string       // interfaces of other networks, which may reach the internet and the box; all else is the internet
	Bridges    []string       // of others, whose ports speak with each other: with br_netfilter that comes by
	Inbound    []Inbound      // what the internet may open to the box itself
	Prefixes   []netip.Prefix // the household's on-link prefixes, both families, masked
	Default    Policy         // of devices that are not listed
	Devices    []Device
	Buckets    bool      // rules can look at the bytes of a hardware address (see BucketRule)
	Carriers   []Carrier // Tor first, and the networks beside it. No other uid's packets may leave the box
	Children   []Child   // processes that speak with strangers and devices
	OwnTor     bool      // the box's own TCP and DNS go through Tor, everything else of its own is refused
	Streams    uint16    // connections to tor's TransPort that one address of a device may have at a time; 0: any number
	Full       []string  // MACs of devices that get no more connections to TransPort for now; wrong ones are left out
	Services   []Service
	Virtual4   netip.Prefix // virtual addresses that tor maps to onions
	Virtual6   netip.Prefix
	Networks   []Network // beside Tor, whose names have virtual addresses too
	Exceptions []Exception
	OverTor    bool     // devices that use Tor themselves may reach relays directly
	Passes     []Pass   // those that do
	NTPPort    uint16   // of our time server, UDP; 0: the household's questions for the time are refused
	OwnDNS     uint16   // of our resolver for the box's own questions, UDP and TCP, on both loopbacks; 0: refused. Only with OwnTor
	OwnTime    uint16   // of our time server for the box's own questions, UDP, on both loopbacks; 0: refused. Only with OwnTor
	Bypasses   []Bypass // what devices may reach outside Tor
	Grants     []Grant  // addresses of the bypasses' domains, for the moment
	Guests     []Guest  // devices that may log in to the network in front of the box
}

// Device is a host of the household whose policy differs from the default or is pinned.
type Device struct {
	MAC    string // lower case, colons
	Policy Policy
}

// Service is a listener of ours for the household: what devices dial on any
// address of the box (Public) is redirected to the internal port.
type Service struct {
	Name     string // for the reader of the rules: "dns", "socks", "gopher"
	UDP      bool   // on UDP too, not only TCP
	Public   uint16
	Internal uint16
	To       netip.Addr // a virtual address that is this service's alone; zero: any address of the box; one service may have several
	Virtual  bool       // at every virtual address instead, TCP alone
	When     When       // whether devices are led there while the household is closed
}

// When says in which state of the household devices are led to a service.
type When uint8

const (
	WhileOpen   When = iota
	Always           // in lockdown too, at the box's own addresses: it leads nowhere
	WhileClosed      // in lockdown alone: it stands in for one that leads somewhere
)

// in reports whether devices are led there in a mode.
func (w When) in(m Mode) bool {
	if m == Open {
		return w != WhileClosed
	}
	return w != WhileOpen
}

// Exception is what the box itself may send outside Tor because the owner said so.
type Exception struct {
	Protocol uint8 // of IP
	To       netip.Prefix
	Port     uint16 // of TCP and UDP; 0 for other protocols
}

// Inbound is a port of the box's own that the internet may reach because the owner said so.
type Inbound struct {
	Protocol uint8 // of IP: ProtocolTCP or ProtocolUDP
	Port     uint16
}

// IP protocol numbers of which rules speak by name.
const (
	ProtocolTCP uint8 = 6
	ProtocolUDP uint8 = 17
)
