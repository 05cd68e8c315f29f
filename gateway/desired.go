package gateway

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules"
)

// IDs are a system user's numbers.
type IDs struct {
	UID, GID uint32
}

// Facts are what the box is like at a moment, as far as the plan depends on it.
type Facts struct {
	Interfaces []InterfaceFacts // one for each configured household interface, in their order
	Forwarding bool             // net.ipv4.ip_forward
	IPv6       bool             // the kernel speaks IPv6

	ClockSynchronised bool // the kernel says that something keeps its clock (adjtimex(2))
}

// InterfaceFacts is one household interface.
type InterfaceFacts struct {
	Name      string
	Index     int            // 0: it does not exist now
	Addresses []netip.Prefix // the box's own addresses with their on-link prefixes, without link-local ones
}

// Inputs are all that the desired state is a function of.
type Inputs struct {
	Config    *config.Config
	Facts     Facts
	Paths     config.Paths
	Tor       IDs
	Serve     IDs
	Ranges    Ranges
	Addresses map[string]onion.Address // of the onions whose keys are there
	Mode      rules.Mode
	Grants    []Granted // what devices may reach outside Tor at the moment
	Temporary Temporary // what is in force for a while; its policies are in Config already
	Entry     Entry
	OverTor   []tor.OverTor // devices that use Tor themselves

	ClockTrusted bool // devices may be told the time
}

// Desired is everything that tunic wants to be true on the box: one plain value.
type Desired struct {
	Tor       tor.Spec
	Rules     rules.Input
	Listeners []supervise.ListenerSpec
	Serve     link.Desired
}

// endpointPorts are the ports at which friends expect each endpoint.
var endpointPorts = map[string]uint16{"gopher": 70}

// desire maps the configuration to the desired state. It is pure.
func desire(in Inputs) Desired {
	d := Desired{Tor: torSpec(in), Rules: ruleInput(in)}
	d.Serve.TorUID = in.Tor.UID
	d.addFronts(in)
	d.addDNS(in)
	d.addHousehold(in)
	d.addNTP(in)
	return d
}

// onions are the configured onions that have keys and are published, with the
// endpoints' ports added to home, which exists without a file too.
func onions(in Inputs) []config.Onion {
	var list []config.Onion
	for _, o := range withHome(in.Config) {
		if _, ok := in.Addresses[o.Name]; ok && published(o) {
			list = append(list, o)
		}
	}
	return list
}

// published reports whether an onion is to be found by anybody: home stays
// private until its owner says public.
func published(o config.Onion) bool {
	return len(o.Ports) > 0 && (o.Name != config.HomeOnion || o.Public)
}

// withHome returns the configured onions and home, sorted by name.
func withHome(c *config.Config) []config.Onion {
	home := config.Onion{Name: config.HomeOnion}
	list := slices.Clone(c.Onions)
	if i := slices.IndexFunc(list, func(o config.Onion) bool { return o.Name == config.HomeOnion }); i >= 0 {
		home = list[i]
		list = slices.Delete(list, i, i+1)
	}
	home.Ports = slices.Clone(home.Ports)
	for _, e := range c.Endpoints {
		port := endpointPorts[e.Name]
		taken := slices.ContainsFunc(home.Ports, func(p config.Port) bool { return p.Virtual == port })
		if port != 0 && !taken {
			home.Ports = append(home.Ports, config.Port{Virtual: port, Target: config.Target{Endpoint: e.Name}})
		}
	}
	slices.SortFunc(home.Ports, func(a, b config.Port) int { return cmp.Compare(a.Virtual, b.Virtual) })
	list = append(list, home)
	slices.SortFunc(list, func(a, b config.Onion) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func torSpec(in Inputs) tor.Spec {
	spec := tor.Spec{
		Binary:    in.Config.Tor.Binary,
		UID:       in.Tor.UID,
		GID:       in.Tor.GID,
		DataDir:   in.Paths.TorData(),
		RunDir:    in.Paths.TorRun(),
		Torrc:     in.Paths.Torrc(),
		TransPort: config.TransPort,
		SocksPort: config.SocksPort,
		DNSPort:   config.DNSPort,
		NoIPv6:    !in.Facts.IPv6,
		Virtual4:  in.Ranges.Virtual4,
		Virtual6:  in.Ranges.Virtual6,
	}
	enterBy(&spec, in.Config.Tor, in.Entry)
	for _, o := range onions(in) {
		t := tor.Onion{Name: o.Name, Address: string(in.Addresses[o.Name]), Dir: in.Paths.OnionKeys(o.Name), Socket: in.Paths.Front(o.Name)}
		for _, p := range o.Ports {
			t.Ports = append(t.Ports, p.Virtual)
		}
		spec.Onions = append(spec.Onions, t)
	}
	for _, s := range in.Config.Torrc {
		spec.Snippets = append(spec.Snippets, tor.Snippet{File: s.File, Text: s.Text})
	}
	return spec
}

func ruleInput(in Inputs) rules.Input {
	c := in.Config
	r := rules.Input{
		Mode:       in.Mode,
		Interfaces: c.Household.Interfaces,
		Default:    rulePolicy(c.Household.DefaultPolicy),
		TorUID:     in.Tor.UID,
		ServeUID:   in.Serve.UID,
		OwnTor:     c.Gateway.OwnTraffic == config.OwnTor,
		TransPort:  config.TransPort,
		DNSPort:    config.DNSPort,
		Virtual4:   in.Ranges.Virtual4,
		Virtual6:   in.Ranges.Virtual6,
		Services: []rules.Service{
			{Name: "dns", UDP: true, Public: 53, Internal: config.ServeDNSPort},
			{Name: "socks", Public: c.Socks.Port, Internal: config.ServeSocksPort},
		},
	}
	for _, i := range in.Facts.Interfaces {
		for _, a := range i.Addresses {
			if p := a.Masked(); !slices.Contains(r.Prefixes, p) {
				r.Prefixes = append(r.Prefixes, p)
			}
		}
	}
	slices.SortFunc(r.Prefixes, netip.Prefix.Compare)
	for _, d := range c.Devices {
		r.Devices = append(r.Devices, rules.Device{MAC: d.MAC, Policy: rulePolicy(d.Policy)})
	}
	for _, f := range c.DNS.Forward {
		r.Exceptions = append(r.Exceptions, rules.Exception{UDP: true, TCP: true, To: f.Server})
	}
	addTime(&r, c)
	torRules(&r, in)
	r.Bypasses = ruleBypasses(c)
	r.Grants = grantRules(r, in.Grants)
	r.Guests = guests(in.Temporary)
	if hasGopher(c) {
		r.Services = append(r.Services, rules.Service{Name: "gopher", Public: 70, Internal: config.ServeGopherPort})
	}
	return r
}

// rulePolicy turns a word of the configuration into the rules' number.
func rulePolicy(p config.Policy) rules.Policy {
	switch p {
	case config.PolicyOnion:
		return rules.Onion
	case config.PolicyDirect:
		return rules.Direct
	case config.PolicyTor:
		return rules.Tor
	}
	return rules.Block
}

func hasGopher(c *config.Config) bool {
	return slices.ContainsFunc(c.Endpoints, func(e config.Endpoint) bool { return e.Name == "gopher" })
}

func (d *Desired) addFronts(in Inputs) {
	for _, o := range onions(in) {
		f := link.Front{Onion: o.Name, Host: in.Addresses[o.Name].Host(), Listener: "front/" + o.Name}
		for _, p := range o.Ports {
			f.Ports = append(f.Ports, link.Port{
				Virtual: p.Virtual, Addr: p.Target.Addr, Unix: p.Target.Unix, Endpoint: p.Target.Endpoint})
		}
		d.Serve.Fronts = append(d.Serve.Fronts, f)
		d.Listeners = append(d.Listeners, supervise.ListenerSpec{
			Name: f.Listener, Network: "unix", Path: in.Paths.Front(o.Name),
			Mode: 0o660, UID: 0, GID: int(in.Tor.GID)})
	}
}

func (d *Desired) addDNS(in Inputs) {
	d.Serve.DNS.Virtual4, d.Serve.DNS.Virtual6 = in.Ranges.Virtual4, in.Ranges.Virtual6
	for _, f := range in.Config.DNS.Forward {
		d.Serve.DNS.Forward = append(d.Serve.DNS.Forward, link.Forward{Domain: f.Domain, Server: f.Server})
	}
	if r := in.Config.DNS.Resolver; r.Server.IsValid() {
		d.Serve.DNS.Resolver = &link.Resolver{Server: r.Server, Name: r.Name}
	}
	for _, b := range in.Config.Bypasses {
		d.Serve.DNS.Bypass = append(d.Serve.DNS.Bypass, b.Domains...)
	}
	for _, i := range in.Facts.Interfaces {
		d.Serve.DNS.Box = append(d.Serve.DNS.Box, i.Addresses...)
	}
}

// addHousehold wishes the listeners for the devices, on every interface that
// exists now, in both families.
func (d *Desired) addHousehold(in Inputs) {
	for _, e := range in.Config.Endpoints {
		if e.Name == "gopher" {
			d.Serve.Gopher = &link.Gopher{Root: e.Root}
		}
	}
	for _, i := range in.Facts.Interfaces {
		if i.Index == 0 {
			continue
		}
		d.addInterface(i, "4")
		if in.Facts.IPv6 {
			d.addInterface(i, "6")
		}
	}
}

func (d *Desired) addInterface(i InterfaceFacts, family string) {
	d.Serve.DNS.Listeners = append(d.Serve.DNS.Listeners, link.DNSListener{
		UDP: d.listen("dns", i, "udp"+family, config.ServeDNSPort),
		TCP: d.listen("dns", i, "tcp"+family, config.ServeDNSPort)})
	d.Serve.SOCKS.Listeners = append(d.Serve.SOCKS.Listeners, d.listen("socks", i, "tcp"+family, config.ServeSocksPort))
	if g := d.Serve.Gopher; g != nil {
		g.Listeners = append(g.Listeners, d.listen("gopher", i, "tcp"+family, config.ServeGopherPort))
	}
}

// listen wishes one socket and returns its name. The interface's index is part
// of it, so that one that went and came back gets a new socket.
func (d *Desired) listen(what string, i InterfaceFacts, network string, port uint16) string {
	name := fmt.Sprintf("%s/%s#%d/%s", what, i.Name, i.Index, network)
	d.Listeners = append(d.Listeners, supervise.ListenerSpec{Name: name, Network: network, Interface: i.Name, Port: port})
	return name
}
