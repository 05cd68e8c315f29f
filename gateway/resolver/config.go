package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"tunic/gateway/onion"
	"tunic/gateway/special"
)

// Config is what the resolver should do. It is a plain value.
type Config struct {
	// Box has the box's own addresses in the household, each with the length
	// of its on-link prefix. They are the answer for box.home.arpa, and their
	// prefixes are addresses that no name outside may point to.
	Box []netip.Prefix

	// Virtual4 and Virtual6 are the ranges from which tor takes addresses for
	// .onion names. The zero prefix means that the family has none.
	Virtual4, Virtual6 netip.Prefix

	// I2P says that names below "i2p" have addresses, which Options.Beside gives;
	// else there are none.
	I2P bool

	// Forward has the domains that are asked of a server in the home. The
	// longest one that a name lies in wins.
	Forward []Forward

	// TLS is the server that answers for public names; the zero value means
	// tor's DNSPort.
	TLS TLSServer

	// Upstream is a filter in the household or on the box that is asked for public
	// names first, and asks this resolver in its turn (see filter); the zero value
	// means none.
	Upstream netip.AddrPort

	// Names are the onions that have names in this house. Every other onion
	// has its global name, KEY.peer.home.arpa, all the same.
	Names []Name

	// Own are the house's own onions, which have names below box.home.arpa.
	Own []OwnName

	// Private has the domains whose names may lead to private addresses and
	// into the household. Only answers of a TLS server or of Upstream can.
	Private []string

	// Bypass has the domains whose addresses devices may reach outside Tor.
	Bypass []string

	// Unblocked are the hardware addresses of devices for which Options.Blocked is
	// not asked, lower case with colons.
	Unblocked []string

	// Mail is nil while nobody in the household has mail.
	Mail *Mail
}

// Forward is a domain and the server that is asked for it and everything below.
type Forward struct {
	Domain string // "lan"; case and a trailing dot do not matter
	Server netip.AddrPort
}

// Equal reports whether both mean the same, order included.
func (c Config) Equal(d Config) bool {
	return c.Virtual4 == d.Virtual4 && c.Virtual6 == d.Virtual6 && c.I2P == d.I2P &&
		slices.Equal(c.Box, d.Box) && slices.Equal(c.Forward, d.Forward) &&
		c.TLS == d.TLS && c.Upstream == d.Upstream && slices.Equal(c.Private, d.Private) && slices.Equal(c.Bypass, d.Bypass) &&
		slices.Equal(c.Unblocked, d.Unblocked) &&
		slices.EqualFunc(c.Names, d.Names, Name.equal) && slices.Equal(c.Own, d.Own) &&
		c.Mail.equal(d.Mail)
}

// Clone returns a copy that shares nothing with c.
func (c Config) Clone() Config {
	c.Box = slices.Clone(c.Box)
	c.Forward = slices.Clone(c.Forward)
	c.Private = slices.Clone(c.Private)
	c.Bypass = slices.Clone(c.Bypass)
	c.Unblocked = slices.Clone(c.Unblocked)
	c.Names = slices.Clone(c.Names) // nobody changes their addresses
	c.Own = slices.Clone(c.Own)
	c.Mail = c.Mail.clone()
	return c
}

// state is a Config made ready for use, and what was learned under it.
type state struct {
	config  Config
	forward map[string]netip.AddrPort // by canonical domain: "lan."
	cache   *cache
	pool    *pool             // nil: public names are asked of tor's DNSPort
	filter  *filter           // nil: nobody is asked before
	private map[string]string // as bypass
	bypass  map[string]string // what the owner wrote, by canonical domain
	names   map[string]Name   // by canonical name
	reverse map[netip.Addr]string
	own     map[string]onion.Address // by canonical name
}

func newState(o Options, c Config) (*state, error) {
	s := &state{config: c.Clone(), forward: make(map[string]netip.AddrPort), cache: newCache(o.Devices.Of)}
	if c.TLS.Addr.IsValid() {
		if o.DialTLS == nil {
			return nil, fmt.Errorf("setting the resolver: there is no way to a TLS server")
		}
		s.pool = newPool(o, c.TLS)
	}
	s.learnNames(c.Names)
	s.learnOwn(c.Own)
	var err error
	if s.private, err = readDomains(c.Private); err != nil {
		return nil, fmt.Errorf("setting private answers: %w", err)
	}
	if s.bypass, err = readDomains(c.Bypass); err != nil {
		return nil, fmt.Errorf("setting the bypass: %w", err)
	}
	if c.I2P && o.Beside == nil {
		return nil, fmt.Errorf("setting the resolver: nobody gives names of I2P addresses")
	}
	if len(c.Bypass) > 0 && o.Grant == nil {
		return nil, fmt.Errorf("setting the bypass: nobody opens the way")
	}
	for _, f := range c.Forward {
		domain := dns.CanonicalName(f.Domain)
		if err := checkForward(domain, f.Server); err != nil {
			return nil, fmt.Errorf("setting dns.forward for %q: %w", f.Domain, err)
		}
		if _, twice := s.forward[domain]; twice {
			return nil, fmt.Errorf("setting dns.forward for %q: the domain is there twice", f.Domain)
		}
		s.forward[domain] = f.Server
	}
	return s, nil
}

// checkForward refuses what would send names outside that must not go there.
func checkForward(domain string, server netip.AddrPort) error {
	_, isName := dns.IsDomainName(domain)
	switch {
	case !isName:
		return fmt.Errorf("not a domain name")
	case domain == ".":
		return fmt.Errorf("the root would send every name around Tor")
	case domain == onionZone || strings.HasSuffix(domain, "."+onionZone):
		return fmt.Errorf("onion names are only ever asked of Tor")
	case !server.IsValid() || server.Port() == 0 || server.Addr().IsUnspecified() || server.Addr().IsMulticast():
		return fmt.Errorf("%v is not the address of a server", server)
	}
	return nil
}

// virtual reports whether a is an address that tor gives to .onion names.
func (s *state) virtual(a netip.Addr) bool {
	return s.config.Virtual4.Contains(a) || s.config.Virtual6.Contains(a)
}

// home reports whether a is reached in the house or nowhere: a special-purpose
// address or one of the household's prefixes. Virtual addresses are not.
func (s *state) home(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if s.virtual(a) {
		return false
	}
	if special.Addr(a) {
		return true
	}
	return s.household(a)
}

// household reports whether a lies in one of the household's prefixes.
func (s *state) household(a netip.Addr) bool {
	return slices.ContainsFunc(s.config.Box, func(p netip.Prefix) bool { return p.Masked().Contains(a) })
}

// box returns the box's addresses for a client: of those in its own prefixes,
// or all if the client is in none (a link-local address).
func (s *state) box(client netip.Addr, v4 bool) []netip.Addr {
	var near, all []netip.Addr
	for _, p := range s.config.Box {
		if p.Addr().Is4() != v4 {
			continue
		}
		all = append(all, p.Addr())
		if p.Masked().Contains(client) {
			near = append(near, p.Addr())
		}
	}
	if len(near) > 0 {
		return near
	}
	return all
}

// isBox reports whether a is one of the box's household addresses.
func (s *state) isBox(a netip.Addr) bool {
	return slices.ContainsFunc(s.config.Box, func(p netip.Prefix) bool { return p.Addr() == a })
}
