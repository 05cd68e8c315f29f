package config

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Names of endpoints that no file is for: PairEndpoint is how boxes become
// friends and say hello, and FilesEndpoint the files that XMPP users share.
const (
	PairEndpoint  = "pair"
	FilesEndpoint = "files"
)

// MuxEndpoint is how friends reach services (TCPMUX over TLS), and MuxPort where it is
// expected at a home onion (RFC 1078).
const (
	MuxEndpoint        = "services"
	MuxPort     uint16 = 1
)

// PairPort is the virtual port of a home onion at which PairEndpoint is expected.
const PairPort uint16 = 7474

// endpointPorts are the ports at which friends expect each endpoint.
var endpointPorts = map[string]uint16{"gopher": 70, "smtp": 25, "irc": IRCPort, "xmpp": XMPPServerPort}

// Loopback is where servers listen that others have written.
func Loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// homePorts are the ports that an endpoint has at the home onion.
func homePorts(e Endpoint) []Port {
	switch {
	case e.Server != (Target{}): // the household's own server, instead of ours
		return []Port{{Virtual: endpointPorts[e.Name], Target: e.Server}}
	case e.Name == "irc":
		return []Port{{Virtual: IRCPort, Target: Target{Addr: Loopback(NgircdPort)}}}
	case e.Name == "xmpp":
		return []Port{
			{Virtual: XMPPServerPort, Target: Target{Addr: Loopback(ProsodyServerPort)}},
			{Virtual: FilesPort, Target: Target{Endpoint: FilesEndpoint}},
		}
	}
	return []Port{{Virtual: endpointPorts[e.Name], Target: Target{Endpoint: e.Name}}}
}

// AllOnions are the onions that the box has keys for: those with a file, home,
// which exists without one too and has the endpoints' ports, the one for
// everybody's mail, and those of phones. They are sorted by name, and their ports by number.
func (c *Config) AllOnions() []Onion {
	own := slices.Concat([]Onion{c.home()}, c.strangersOnion(), c.phoneOnions())
	list := make([]Onion, 0, len(c.Onions)+len(own))
	for _, o := range c.Onions {
		if o.Name != HomeOnion {
			list = append(list, o)
		}
	}
	list = append(list, own...)
	slices.SortFunc(list, func(a, b Onion) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// home is the box's own onion.
func (c *Config) home() Onion {
	home := Onion{Name: HomeOnion}
	if i := slices.IndexFunc(c.Onions, func(o Onion) bool { return o.Name == HomeOnion }); i >= 0 {
		home = c.Onions[i]
	}
	home.Ports = slices.Clone(home.Ports)
	for _, e := range c.Endpoints {
		home.addPorts(homePorts(e))
	}
	home.addPorts([]Port{{Virtual: PairPort, Target: Target{Endpoint: PairEndpoint}}})
	if c.OffersServices() {
		home.addPorts([]Port{{Virtual: MuxPort, Target: Target{Endpoint: MuxEndpoint}}})
	}
	slices.SortFunc(home.Ports, func(a, b Port) int { return cmp.Compare(a.Virtual, b.Virtual) })
	return home
}

// addPorts adds those whose number is free: the owner's own lines come first.
func (o *Onion) addPorts(ports []Port) {
	for _, port := range ports {
		if !slices.ContainsFunc(o.Ports, func(p Port) bool { return p.Virtual == port.Virtual }) {
			o.Ports = append(o.Ports, port)
		}
	}
}

// strangersOnion is the onion on which everybody may bring mail.
func (c *Config) strangersOnion() []Onion {
	if mail, ok := c.Mail(); !ok || !mail.Strangers {
		return nil
	}
	return []Onion{{Name: StrangersOnion, Ports: []Port{{Virtual: endpointPorts["smtp"], Target: Target{Endpoint: "smtp"}}}}}
}

// Onion returns one of AllOnions.
func (c *Config) Onion(name string) (Onion, bool) {
	if name == HomeOnion { // asked in each pass
		return c.home(), true
	}
	all := c.AllOnions()
	i := slices.IndexFunc(all, func(o Onion) bool { return o.Name == name })
	if i < 0 {
		return Onion{}, false
	}
	return all[i], true
}

// Published reports whether there is anybody who may find an onion.
func (c *Config) Published(o Onion) bool {
	return len(o.Ports) > 0 && c.Findable(o)
}

// TargetHosts are the devices that targets of onions name. A name with a dot is
// none: it is looked up by the owner's server for it when somebody comes.
func (c *Config) TargetHosts() (list []string) {
	for _, o := range c.Onions {
		for _, p := range o.Ports {
			if h := p.Target.Host; h != "" && !strings.Contains(h, ".") {
				list = append(list, h)
			}
		}
	}
	return list
}
