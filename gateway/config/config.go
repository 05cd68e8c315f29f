// Package config loads, checks and writes tunic's configuration files.
//
// One thing is one file: tunic.toml for the box, and one file each for a
// device, an onion and an endpoint, so that a person, the command line and a
// version control system can all edit them without losing a comment. Load
// reports every mistake at once, each with file, line and key.
//
// The package is a leaf: it knows nothing of tor, rules or processes.
package config

import (
	"crypto/sha256"
	"net/netip"
)

// Policy says what happens to a device's traffic.
type Policy string

const (
	PolicyTor    Policy = "tor"    // all TCP and DNS through Tor, nothing else leaves
	PolicyOnion  Policy = "onion"  // DNS and .onion through Tor, the rest direct
	PolicyDirect Policy = "direct" // everything direct; .onion addresses still work through Tor
	PolicyBlock  Policy = "block"  // nothing leaves
)

// OwnTraffic says what happens to the box's own connections.
type OwnTraffic string

const (
	OwnTor    OwnTraffic = "tor"
	OwnDirect OwnTraffic = "direct"
)

// Config is the whole configuration, validated and with defaults filled in.
// It is a plain value: two loads of the same files are reflect.DeepEqual.
type Config struct {
	Household Household
	Gateway   Gateway
	Tor       Tor
	DNS       DNS
	Socks     Socks
	Notices   Notices
	Inbox     Inbox
	I2P       I2P
	Devices   []Device   // sorted by name
	Onions    []Onion    // sorted by name; "home" is here only if it has a file
	Endpoints []Endpoint // sorted by name
	Groups    []Group    // sorted by name
	Torrc     []Snippet  // torrc.d/*.conf, sorted by file name
	Peers     []Peer     // sorted by name
	Bypasses  []Bypass   // in the order of the file
	Services  []Service  // sorted by name
	Profiles  []Profile  // that an onion names

	// Files are those that it was read from, below Paths.Etc ("onions/photos.toml"),
	// and the sums of their texts, by which ChangedFiles compares.
	Files map[string][sha256.Size]byte

	// Invited are the client keys of those who may find home because of an
	// invitation. They are in no file: the daemon adds them.
	Invited []string
}

// Household is [household].
type Household struct {
	Interfaces    []string // the only interfaces that tunic is in charge of; at least one
	DefaultPolicy Policy   // for devices without a file; default tor
	OneArm        bool     // the box is beside the router: its household interface leads to the internet too
}

// Gateway is [gateway].
type Gateway struct {
	OwnTraffic OwnTraffic   // default tor
	Page       bool         // the box's own page for browsers of the household; default true
	NTP        bool         // answer devices that ask any server for the time; default true
	NTPServers []netip.Addr // of the box itself, asked outside Tor
	Exceptions []Exception  // what else the box itself may send outside Tor

	Metrics       Metrics   // who may ask for numbers; default off
	OtherNetworks []string  // interfaces beside the household's that may reach the internet and the box
	Inbound       []Inbound // what the internet may open to the box itself
}

// Metrics says for whom there is a page of numbers.
type Metrics string

const (
	MetricsOff       Metrics = "off"
	MetricsLoopback  Metrics = "loopback"  // programs on the box
	MetricsHousehold Metrics = "household" // every device of the household
)

// Tor is [tor].
type Tor struct {
	Binary  string    // name or absolute path; default "tor"
	Bridges []Bridge  // the only way into the network, if there is one at all
	Exits   []Country // where traffic may leave the Tor network; none means anywhere
	ByDest  bool      // isolate-destinations: circuits of their own for each destination address
	OverTor OverTor   // what happens to devices that use Tor themselves; default refuse
}

// OverTor says what happens to a device's connection to a public relay.
type OverTor string

const (
	OverTorRefuse OverTor = "refuse" // it ends at once
	OverTorPass   OverTor = "pass"   // it goes to the relay directly, outside our Tor
)

// DNS is [dns].
type DNS struct {
	Resolver Resolver       // of public names; the zero value is tor's own
	Upstream netip.AddrPort // a filter on this box or in the household that is asked before it; zero: none
	Forward  []Forward
	Private  []string // domains whose names may lead to private addresses; lower case, no final dot
	Block    []string // lists of names that do not exist in this house: absolute paths and URLs
}

// Forward is one [[dns.forward]]: names below Domain are asked of Server, outside Tor.
type Forward struct {
	Domain string         // lower case, no leading or trailing dot
	Server netip.AddrPort // port 53 if none was given
}

// Socks is [socks].
type Socks struct {
	Port uint16 // what devices type; default 9050
}

// Device is devices/NAME.toml.
type Device struct {
	Name   string
	MAC    string // lower case, colons
	Policy Policy

	Unblocked bool // block = false: block lists do not count for it
}

// Onion is onions/NAME.toml.
type Onion struct {
	Name   string
	As     string // name of the profile of what is published; "" for none
	Public bool   // only for the onion "home": publish it although nobody is invited
	Ports  []Port // sorted by Virtual

	Private bool     // only Clients can find it
	Clients []Client // as the file has them

	Fast bool // anonymous = false: fewer hops, and relays know where the box is

	// Balance is the address that Onionbalance publishes for several boxes, of
	// which this onion is one: 56 letters, lower case; "" for none.
	Balance string

	I2P bool // it is published by I2P too, at an address of its own

	// Certificates is the directory in which the daemon keeps a TLS certificate
	// that the onion's key has signed: an absolute path, clean; "" for none.
	Certificates string
}

// Port maps one virtual port of an onion to its target.
type Port struct {
	Virtual uint16
	Target  Target
}

// Target is where a stream to an onion's port goes, and how. Exactly one of
// Addr, Host, Unix and Endpoint is set.
type Target struct {
	Addr     netip.AddrPort // a host on the LAN, or on the box
	Host     string         // a host of the home by its name, lower case, no final dot ("nas:8080")
	Port     uint16         // with Host
	Unix     string         // absolute path of a unix socket ("unix:/path")
	Endpoint string         // name of an endpoint of the box ("endpoint:gopher")

	Proxy    ProxyVersion // the target is told by a PROXY line which circuit is calling; not for endpoints
	HTTPHost string       // replaces the Host of each HTTP/1.1 request; "": nothing is replaced
}

// ProxyVersion is a version of the PROXY protocol.
type ProxyVersion string

const (
	ProxyV1 ProxyVersion = "v1" // a line of text
	ProxyV2 ProxyVersion = "v2" // binary
)

// Endpoint is endpoints/NAME.toml. The name is the protocol.
type Endpoint struct {
	Name string // "gopher", "irc", "smtp", "xmpp"
	Root string // gopher: absolute path of the directory that is served
	SMTP SMTP   // smtp
	IRC  IRC    // irc

	// Server is the household's own server, which friends reach instead of
	// one of the box's; the zero Target: there is none.
	Server Target
}

// Snippet is one file of torrc.d, handed to tor as it is.
type Snippet struct {
	File string // base name
	Text string
}
