package tor

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"tunic/gateway/onion"
)

// Spec is the desired state of the tor process. It is a plain value; nil and
// empty slices mean the same, but in Onion.Clients.
type Spec struct {
	Binary string // name or absolute path
	UID    uint32 // that tor runs as
	GID    uint32

	DataDir string // tor's DataDirectory; made if absent, uid's own, 0700
	RunDir  string // of the control socket and its cookie; made if absent, uid's own, 0700
	Torrc   string // the file that tor is started with; its directory must let uid pass

	SingleHop bool // a tor for onions alone, without their anonymity; see fast.go

	TransPort uint16 // transparent TCP, all addresses
	SocksPort uint16 // SOCKS5, 127.0.0.1
	Socks     string // SOCKS5 too, a unix socket; whoever may pass its directory, which is there and uid's, may use it
	DNSPort   uint16 // UDP, both loopback addresses
	NoIPv6    bool   // the kernel has no IPv6: listen on IPv4 addresses only

	Virtual4 netip.Prefix // that .onion names are mapped into, masked
	Virtual6 netip.Prefix

	Bridges []Bridge // the only way into the network, unless there are none
	Plugins []Plugin // the programs of their transports
	Exits   Exits    // countries in which traffic may leave the network

	IsolateDestinations bool // circuits of their own for each destination address

	Onions   []Onion
	Auth     []Auth    // the keys by which this tor finds private onions of others
	Maps     []Map     // fixed virtual addresses
	Snippets []Snippet // the owner's own lines; see CheckSnippet
}

// Onion is one onion service that tor publishes.
type Onion struct {
	Name    string   // what the household calls it
	Address string   // its 56 letters, to know it again in tor's events
	Dir     string   // its key directory, uid's own
	Socket  string   // the unix socket that all its streams go to
	Ports   []uint16 // virtual ports

	// Clients are the keys of those who may find it. nil means everybody who
	// knows its address; with a list that is empty it is not published at all,
	// for tor would publish it for everybody.
	Clients []onion.ClientKey

	// MaxStreams bounds the streams at one time on one circuit, which tor closes
	// when there are more; 0: no bound.
	MaxStreams int

	// Balance is the address for which Onionbalance publishes this onion's
	// introduction points beside those of others, "" for none (tor(1),
	// HiddenServiceOnionBalanceInstance).
	Balance onion.Address
}

// nobodys reports whether nobody may find the onion: tor does not publish it then.
func (o Onion) nobodys() bool { return o.Clients != nil && len(o.Clients) == 0 }

// Auth is what it takes to find a private onion of somebody else.
type Auth struct {
	Onion onion.Address
	Key   onion.ClientSecret
}

// Map gives an onion an address of the virtual ranges that outlives tor's
// process (tor(1), MapAddress).
type Map struct {
	Virtual netip.Addr
	Onion   onion.Address
}

// Snippet is a piece of torrc that is handed to tor as it is.
type Snippet struct {
	File string // base name, for messages
	Text string
}

// Equal reports whether both states are the same.
func (s Spec) Equal(other Spec) bool {
	return reflect.DeepEqual(s, other) || reflect.DeepEqual(s.Clone(), other.Clone())
}

// Clone returns a copy that shares no memory with s.
func (s Spec) Clone() Spec {
	s.Onions = append([]Onion(nil), s.Onions...)
	for i := range s.Onions {
		s.Onions[i].Ports = append([]uint16(nil), s.Onions[i].Ports...)
		s.Onions[i].Clients = slices.Clone(s.Onions[i].Clients) // keeps nil and empty apart
	}
	s.Auth, s.Maps = append([]Auth(nil), s.Auth...), append([]Map(nil), s.Maps...)
	s.Snippets = append([]Snippet(nil), s.Snippets...)
	s.Bridges, s.Plugins = append([]Bridge(nil), s.Bridges...), append([]Plugin(nil), s.Plugins...)
	s.Exits = s.Exits.clone()
	return s
}

// Check returns everything that is wrong with s by itself, or nil. A Spec that
// passes renders to a torrc in which no value can pose as another option.
func (s Spec) Check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Binary == "" {
		wrong("checking tor's settings: no binary is named")
	}
	if s.UID == 0 {
		wrong("checking tor's settings: tor must not run as root: the rules know its traffic by its own uid")
	}
	for _, path := range []string{s.DataDir, s.RunDir, s.Torrc} {
		errs = append(errs, checkPath(path))
	}
	errs = append(errs, checkSocket(s.controlSocket()))
	if s.SingleHop {
		errs = append(errs, s.checkSingleHop())
	} else {
		errs = append(errs, s.checkClient()...)
		errs = append(errs, checkSocket(s.Socks))
	}
	for _, o := range s.Onions {
		errs = append(errs, checkPath(o.Dir), checkSocket(o.Socket))
		if len(o.Ports) == 0 || slices.Contains(o.Ports, 0) {
			wrong("checking onion %q: it needs ports between 1 and 65535", o.Name)
		}
		if o.MaxStreams < 0 || o.MaxStreams > math.MaxUint16 {
			wrong("checking onion %q: %d is no limit for streams: 0 to 65535", o.Name, o.MaxStreams)
		}
		errs = append(errs, o.checkBalance())
	}
	errs = append(errs, s.checkKeys()...)
	errs = append(errs, s.checkMaps()...)
	errs = append(errs, s.checkBridges()...)
	errs = append(errs, s.Exits.check()...)
	for _, snippet := range s.Snippets {
		errs = append(errs, CheckSnippet(snippet.File, snippet.Text)...)
	}
	return errors.Join(errs...)
}

// checkClient returns what is wrong with the ports and addresses of a tor that
// devices use.
func (s Spec) checkClient() (errs []error) {
	ports := []uint16{s.TransPort, s.SocksPort, s.DNSPort}
	slices.Sort(ports)
	if ports[0] == 0 || len(slices.Compact(ports)) < 3 {
		errs = append(errs, errors.New("checking tor's settings: TransPort, SocksPort and DNSPort must be three different ports"))
	}
	if !s.Virtual4.Addr().Is4() || !s.Virtual6.Addr().Is6() || s.Virtual4.Masked() != s.Virtual4 || s.Virtual6.Masked() != s.Virtual6 {
		errs = append(errs, fmt.Errorf("checking tor's settings: the virtual address ranges %v and %v are not one IPv4 and one IPv6 "+
			"network", s.Virtual4, s.Virtual6))
	}
	return errs
}

// checkPath refuses what a torrc line cannot hold without quoting, which not
// all of tor's options understand.
func checkPath(path string) error {
	bad := strings.ContainsFunc(path, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`"#\`, r)
	})
	if bad || !filepath.IsAbs(path) {
		return fmt.Errorf("checking path %q: tor needs an absolute one without spaces, quotes, # and backslashes", path)
	}
	return nil
}

// maxSocketPath is the room for a path in a struct sockaddr_un, less the NUL (unix(7)).
const maxSocketPath = 107

func checkSocket(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("checking socket path %q: it is longer than %d bytes; choose a shorter root directory", path, maxSocketPath)
	}
	return checkPath(path)
}

func (s Spec) controlSocket() string { return filepath.Join(s.RunDir, "control.sock") }
func (s Spec) cookie() string        { return filepath.Join(s.RunDir, "control.cookie") }
