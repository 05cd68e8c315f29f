package rules

import "fmt"

// input guards our ports against everybody, and the box's other ports against
// whatever is no network that has been named: its owner's own rules judge the
// rest. Devices come redirected to our ports; what dials one does not.
func (c compiler) input() Chain {
	chain := Chain{Name: chainInput}
	chain.add("-i lo -j ACCEPT")
	c.sunk(&chain)
	c.carriersPorts(&chain)
	guarded := make(map[uint16]bool)
	for _, s := range c.Services {
		if guarded[s.Internal] { // it is led to from several addresses
			continue
		}
		guarded[s.Internal] = true
		chain.add("-p tcp -m tcp --dport %d -g %s", s.Internal, chainClosed)
		if s.UDP {
			chain.add("-p udp -m udp --dport %d -g %s", s.Internal, chainClosed)
		}
	}
	for _, n := range c.Networks {
		if n.Port != 0 {
			chain.add("-p tcp -m tcp --dport %d -g %s", n.Port, chainClosed)
		}
	}
	if c.NTPPort != 0 {
		chain.add("-p udp -m udp --dport %d -g %s", c.NTPPort, chainClosed)
	}
	c.named(&chain)
	chain.add("-g %s", chainUplink)
	return chain
}

// closed accepts what has been redirected to our ports, answers the household,
// and nobody else. No other program can have redirected to them: they are no
// ports that anybody knows, and what comes from elsewhere has no such source.
func (c compiler) closed() Chain {
	chain := Chain{Name: chainClosed}
	if c.open() {
		c.eachFrom(&chain, " -m conntrack --ctstate DNAT", "-j ACCEPT")
	} else {
		c.acceptServed(&chain)
	}
	c.eachFrom(&chain, "", "-j "+chainRefuse)
	chain.add("-j DROP")
	return chain
}

// acceptServed accepts in lockdown what was redirected to what is served then.
func (c compiler) acceptServed(chain *Chain) {
	for _, s := range c.served() {
		c.eachFrom(chain, fmt.Sprintf(" -p tcp -m tcp --dport %d -m conntrack --ctstate DNAT", s.Internal), "-j ACCEPT")
		if s.UDP {
			c.eachFrom(chain, fmt.Sprintf(" -p udp -m udp --dport %d -m conntrack --ctstate DNAT", s.Internal), "-j ACCEPT")
		}
	}
}

// named lets the networks reach the box that the owner has named. In one-arm use
// the household's interface is the internet's too, so the source has to be the
// household's, or none yet, as when a device asks for an address.
func (c compiler) named(chain *Chain) {
	switch {
	case c.OneArm:
		c.eachFrom(chain, "", "-j RETURN")
		for _, in := range c.ins() {
			if c.dhcpServer != "" {
				chain.add("%s %s -j RETURN", in, c.dhcpServer)
			}
		}
	default:
		for _, in := range c.ins() {
			chain.add("%s -j RETURN", in)
		}
	}
	for _, name := range c.Others {
		chain.add("-i %s -j RETURN", name)
	}
}

// uplink lets nothing new reach the box but what the owner has named and what
// the link itself needs. TCP is judged without a look at connections: one begins
// with SYN and in no other way, what runs goes on when somebody has flushed
// conntrack, and what a stranger sends in mid-stream makes no way for more.
func (c compiler) uplink() Chain {
	chain := Chain{Name: chainUplink}
	chain.add("-p tcp -m tcp ! --tcp-flags SYN,ACK SYN -j RETURN")
	chain.add("! -p tcp -m conntrack --ctstate ESTABLISHED -j RETURN")
	for _, match := range c.arrivals {
		chain.add("%s -j RETURN", match)
	}
	for _, i := range c.Inbound {
		chain.add("%s -j RETURN", Exception{Protocol: i.Protocol, Port: i.Port}.match())
	}
	c.otherEnds(&chain)
	if len(c.Prefixes) == 0 {
		// Nobody knows which network is the household's: at boot, with a wrong
		// name, with a configuration that cannot be read. Its owner, who is near,
		// must be able to come and correct that.
		for _, p := range c.near {
			chain.add("-s %v -j RETURN", p)
		}
	}
	chain.add("-j DROP")
	return chain
}

// otherEnds lets in what an exception without ports lets out: the other end of a
// tunnel speaks when it wants to, and so do those who share an address (VRRP).
func (c compiler) otherEnds(chain *Chain) {
	c.eachException(chain, func(e Exception) bool { return e.Port == 0 && e.To.Addr().IsMulticast() }, "-j RETURN")
	for _, e := range c.Exceptions {
		if e.Port == 0 && !e.To.Addr().IsMulticast() && e.To.Addr().Is4() == (c.family == IPv4) {
			chain.add("-s %v %s -j RETURN", e.To, e.match())
		}
	}
}
