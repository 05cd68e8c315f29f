package rules

import (
	"cmp"
	"fmt"
	"slices"
)

// redirect looks at what comes from the household.
func (c compiler) redirect() Chain {
	chain := Chain{Name: chainRedirect}
	for _, in := range c.ins() {
		chain.add("%s -j %s", in, chainLAN)
	}
	return chain
}

// lan decides where a new connection of a device goes. DNS comes before the
// household's prefixes, or a question to the uplink's router, which is in the
// same network in one-arm use, would leave in clear (L09). TCP is redirected
// whatever its flags: a packet in mid-stream that were not would leave (L16).
// A connection without a mark is treated like tor. In lockdown devices reach those
// listeners of ours that lead nowhere, and no others. What TUNIC-POLICY would refuse
// goes to TUNIC-SINK.
func (c compiler) lan() Chain {
	chain := Chain{Name: chainLAN}
	c.portalDNS(&chain)
	if !c.open() {
		c.lanServed(&chain)
		c.lanClosed(&chain)
		return chain
	}
	chain.add("%s -g %s", marked(Block), chainSink)
	for _, s := range c.Services {
		switch {
		case !s.When.in(Open):
		case s.Virtual:
			c.redirectVirtual(&chain, s, c.virtual().String())
		case s.To.IsValid():
			c.ownAddress(&chain, s)
		default:
			c.redirectDNAT(&chain, s, "-m addrtype --dst-type LOCAL ")
		}
	}
	c.redirectTime(&chain, "-m addrtype --dst-type LOCAL ")
	chain.add("-d %v -p tcp -g %s", c.virtual(), chainFull)
	chain.add("-d %v -g %s", c.virtual(), chainSink)
	c.lanBeside(&chain)
	chain.add("%s -g %s", midStream, chainSink)
	chain.add("%s -j RETURN", marked(Direct))
	if len(c.Guests) > 0 {
		chain.add("%s -j RETURN", marked(Portal))
	}
	if s, ok := c.dns(); ok {
		c.redirectDNAT(&chain, s, "")
	}
	for _, p := range c.sources() { // link-local ones are on the wire, or a bridge's (see wire)
		chain.add("-d %v -j RETURN", p)
	}
	chain.add("-m addrtype --dst-type LOCAL -j RETURN")
	c.redirectTime(&chain, "")
	chain.add("%s -j RETURN", marked(Onion))
	chain.add("-p tcp -g %s", chainFull)
	chain.add("-g %s", chainSink)
	return chain
}

// full refuses devices that have all that they may have. Their connections would
// otherwise begin at an exit before tor can be told to end them, and tor ends
// such a stream without a word to the exit.
func (c compiler) full() Chain {
	chain := Chain{Name: chainFull}
	if c.open() {
		for _, mac := range c.Full {
			chain.add("-m mac --mac-source %s -g %s", mac, chainSink)
		}
		chain.add("-g %s", chainTrans)
	}
	return chain
}

// trans leads a connection to tor, unless its address has as many there as it may
// have. Each is counted once, here; the kernel forgets those that are over
// (xt_connlimit). There is no bound for the household in sum: a device that makes
// up addresses would fill that with packets of which tor never hears, for all.
// What a device has by all its addresses gateway/tor counts, which knows a device
// by its hardware address, and names it in TUNIC-FULL then.
func (c compiler) trans() Chain {
	chain := Chain{Name: chainTrans}
	if !c.open() {
		return chain
	}
	if c.Streams != 0 {
		chain.add("-m connlimit --connlimit-above %d --connlimit-mask %d --connlimit-saddr -g %s", c.Streams, c.bits, chainSink)
	}
	chain.add("-p tcp -j REDIRECT --to-ports %d", c.tor().TransPort)
	return chain
}

// lanServed leads to what is served while the household is closed, at the box's own
// addresses, whoever is not blocked.
func (c compiler) lanServed(chain *Chain) {
	list := c.served()
	if len(list) > 0 {
		chain.add("%s -g %s", marked(Block), chainSink)
	}
	for _, s := range list {
		c.redirectDNAT(chain, s, "-m addrtype --dst-type LOCAL ")
	}
}

// served are the services that devices are led to in lockdown.
func (c compiler) served() (list []Service) {
	for _, s := range c.Services {
		if s.When.in(Lockdown) {
			list = append(list, s)
		}
	}
	return list
}

// lanClosed lets only guests on, no further than TUNIC-POLICY does. Their
// questions go to the network in front of the box.
func (c compiler) lanClosed(chain *Chain) {
	if len(c.Guests) > 0 {
		chain.add("%s -g %s", midStream, chainSink)
		for _, p := range c.prefixes {
			chain.add("-d %v -g %s", p, chainSink)
		}
		if v := c.virtual(); v.IsValid() {
			chain.add("-d %v -g %s", v, chainSink)
		}
		c.eachBeside(chain, "-d %v -g "+chainSink)
		chain.add("%s -j RETURN", marked(Portal))
	}
	chain.add("-g %s", chainSink)
}

// ownAddress redirects a service that has a virtual address to itself. Port 80
// of the box's own addresses may be its owner's.
func (c compiler) ownAddress(chain *Chain, s Service) {
	if s.To.Is4() == (c.family == IPv4) {
		c.redirectVirtual(chain, s, s.To.String())
	}
}

func (c compiler) redirectVirtual(chain *Chain, s Service, to string) {
	chain.add("-d %s -p tcp -m tcp --dport %d -j REDIRECT --to-ports %d", to, s.Public, s.Internal)
}

func (c compiler) redirectDNAT(chain *Chain, s Service, match string) {
	chain.add("-p tcp -m tcp --dport %d %s-j REDIRECT --to-ports %d", s.Public, match, s.Internal)
	if s.UDP {
		chain.add("-p udp -m udp --dport %d %s-j REDIRECT --to-ports %d", s.Public, match, s.Internal)
	}
}

// redirectTime leads questions for the time to our own server, whatever server
// they were for: UDP cannot pass Tor, and devices have servers built in. Those
// of the household answer for themselves.
func (c compiler) redirectTime(chain *Chain, match string) {
	if c.NTPPort != 0 {
		chain.add("-p udp -m udp --dport %d %s-j REDIRECT --to-ports %d", ntpPort, match, c.NTPPort)
	}
}

// own turns the box's own connections to tor; REDIRECT in OUTPUT lands on the
// loopback address of the family. It is the same in lockdown: while tor is not
// up nobody listens there, and the connection is refused. As for devices, DNS
// comes before the household's prefixes and link-local addresses (L02, L09);
// without a resolver of ours it is led to where it is refused.
func (c compiler) own() Chain {
	chain := Chain{Name: chainOwn}
	c.carry(&chain)
	for _, k := range c.Carriers {
		if k.UID != 0 {
			chain.add("-m owner --uid-owner %d -j RETURN", k.UID)
		}
	}
	chain.add("-o lo -j RETURN")
	c.eachException(&chain, c.redirected, "-j RETURN")
	if c.OwnTor {
		chain.add("-p udp -m udp --dport %d -j REDIRECT --to-ports %d", dnsPort, cmp.Or(c.OwnDNS, c.tor().DNSPort))
		chain.add("-p tcp -m tcp --dport %d -j REDIRECT --to-ports %d", dnsPort, cmp.Or(c.OwnDNS, c.tor().TransPort))
	}
	if v := c.virtual(); v.IsValid() {
		chain.add("-d %v -p tcp -j REDIRECT --to-ports %d", v, c.tor().TransPort)
	}
	if c.OwnTor {
		for _, p := range append(slices.Clone(c.prefixes), c.linkLocal) {
			chain.add("-d %v -j RETURN", p)
		}
		if c.OwnTime != 0 {
			chain.add("-p udp -m udp --dport %d -j REDIRECT --to-ports %d", ntpPort, c.OwnTime)
		}
		chain.add("-p tcp -j REDIRECT --to-ports %d", c.tor().TransPort)
	}
	return chain
}

// eachException adds a rule for everything that the owner lets the box do outside Tor.
func (c compiler) eachException(chain *Chain, of func(Exception) bool, target string) {
	for _, e := range c.Exceptions {
		if e.To.Addr().Is4() == (c.family == IPv4) && of(e) {
			chain.add("-d %v %s %s", e.To, e.match(), target)
		}
	}
}

// redirected reports whether the box's packets of that kind would go to tor or,
// when they ask for the time, to us.
func (c compiler) redirected(e Exception) bool {
	return e.Protocol == ProtocolTCP || e.Protocol == ProtocolUDP && (e.Port == dnsPort || e.Port == ntpPort && c.OwnTime != 0)
}

func (e Exception) match() string {
	switch e.Protocol {
	case ProtocolTCP:
		return fmt.Sprintf("-p tcp -m tcp --dport %d", e.Port)
	case ProtocolUDP:
		return fmt.Sprintf("-p udp -m udp --dport %d", e.Port)
	}
	return fmt.Sprintf("-p %d", e.Protocol)
}

// snat gives the box's address to what direct and onion devices with private
// addresses send out: a box beside the router has no other NAT, and in one-arm
// use the answers would miss the box. Where the owner's own masquerade follows
// below, ours comes first and does the same.
func (c compiler) snat() Chain {
	chain := Chain{Name: chainSNAT}
	if len(c.leaving()) == 0 {
		return chain
	}
	c.eachTo(&chain, c.destinations(), "-j RETURN")
	for _, p := range c.prefixes {
		if !p.Addr().IsPrivate() {
			continue
		}
		for _, match := range c.leaving() {
			chain.add("-s %v %s -j MASQUERADE", p, match)
		}
	}
	return chain
}
