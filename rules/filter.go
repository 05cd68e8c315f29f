package rules

const (
	invalid = "-m conntrack --ctstate INVALID"
	// midStream is TCP that conntrack has not seen begin, as after somebody
	// flushed its table (M02).
	midStream = "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW"
	// forwardedReply answers connections that the owner's port forward let in.
	forwardedReply = "-m conntrack --ctstate DNAT --ctdir REPLY"
	established    = "-m conntrack --ctstate RELATED,ESTABLISHED"
)

// input guards our ports and no others: the box's other servers are its
// owner's. Devices come redirected; what dials an internal port does not.
func (c compiler) input() Chain {
	chain := Chain{Name: chainInput}
	chain.add("-i lo -j RETURN")
	if c.open() {
		c.eachFrom(&chain, " -m conntrack --ctstate DNAT", "-j RETURN")
	}
	chain.add("-p tcp -m tcp --dport %d -g %s", c.TransPort, chainClosed)
	chain.add("-p udp -m udp --dport %d -g %s", c.DNSPort, chainClosed)
	for _, s := range c.Services {
		chain.add("-p tcp -m tcp --dport %d -g %s", s.Internal, chainClosed)
		if s.UDP {
			chain.add("-p udp -m udp --dport %d -g %s", s.Internal, chainClosed)
		}
	}
	if c.NTPPort != 0 {
		chain.add("-p udp -m udp --dport %d -g %s", c.NTPPort, chainClosed)
	}
	return chain
}

// closed answers the household, and nobody else.
func (c compiler) closed() Chain {
	chain := Chain{Name: chainClosed}
	c.eachFrom(&chain, "", "-j "+chainRefuse)
	chain.add("-j DROP")
	return chain
}

// forward leaves alone what is neither from nor to the household. While the
// household is not known it forwards nothing, and answers nobody it does not
// know.
func (c compiler) forward() Chain {
	chain := Chain{Name: chainForward}
	if len(c.Interfaces) == 0 {
		chain.add("-j %s", chainFrom)
	}
	for _, name := range c.Interfaces {
		chain.add("-i %s -j %s", name, chainFrom)
	}
	for _, name := range c.Interfaces {
		chain.add("-o %s -j %s", name, chainTo)
	}
	return chain
}

// from judges what a household interface brings. In one-arm use that is also
// what the internet answers: replies come before the sources. A packet with a
// source that is not the household's is dropped, not refused: the refusal
// would go to whoever owns that address.
func (c compiler) from() Chain {
	chain := Chain{Name: chainFrom}
	chain.add("%s -j DROP", invalid)
	if c.open() {
		chain.add("%s -j RETURN", forwardedReply)
	}
	c.replies(&chain)
	for _, p := range c.prefixes {
		chain.add("-s %v -g %s", p, chainPolicy)
	}
	chain.add("-j DROP")
	return chain
}

// replies lets pass what answers a device that may go out. Connections that a
// helper of conntrack expects begin anew and are not among them (M10).
func (c compiler) replies(chain *Chain) {
	for _, p := range c.leaving() {
		chain.add("%s %s --ctdir REPLY -j RETURN", marked(p), established)
	}
}

// policy judges what a device sends. A RETURN here goes back to TUNIC-FORWARD.
// Mid-stream TCP is reset, not dropped, so that a device whose connections were
// cut opens new ones at once.
func (c compiler) policy() Chain {
	chain := Chain{Name: chainPolicy}
	if c.open() {
		chain.add("%s -j %s", marked(Block), chainRefuse)
		chain.add("%s -j %s", midStream, chainRefuse)
		c.eachTo(&chain, c.prefixes, "-j RETURN")
		chain.add("-d %v -j %s", c.virtual(), chainRefuse)
		for _, p := range c.leaving() {
			chain.add("%s -j RETURN", marked(p))
		}
	}
	c.portalClosed(&chain)
	chain.add("-j %s", chainRefuse)
	return chain
}

// to judges what goes to the household. What also came from there was judged
// in TUNIC-FROM. Everything else must answer a device that may go out, or be
// the owner's port forward: a device's global IPv6 address is not reachable by
// itself (M04).
func (c compiler) to() Chain {
	chain := Chain{Name: chainTo}
	if c.open() {
		for _, name := range c.Interfaces {
			chain.add("-i %s -j RETURN", name)
		}
		chain.add("%s -j DROP", invalid)
		chain.add("-m conntrack --ctstate DNAT --ctdir ORIGINAL -j RETURN")
	}
	c.replies(&chain)
	chain.add("-j DROP")
	return chain
}

// output judges the box's own packets; the order was found by experiment. Tor
// stands before the checks of state, or a flush of conntrack by anybody would
// cut tor itself off. The rules for redirected traffic match by address,
// because its out-interface is still the uplink here. A redirect would send
// devices past the box to the router beside it (L30). The box's own resets and
// port-unreachables towards the internet answer what arrives for connections
// of devices that were cut (M03), so they stay here.
func (c compiler) output() Chain {
	chain := Chain{Name: chainOutput}
	c.tor(&chain)
	chain.add("%s -j DROP", invalid)
	chain.add("%s -j DROP", midStream)
	chain.add("%s -j DROP", c.detour)
	c.linkLayer(&chain)
	chain.add("-o lo -j RETURN")
	c.eachTo(&chain, c.destinations(), "-j RETURN")
	chain.add("-d %v -m conntrack --ctstate DNAT --ctdir ORIGINAL -j RETURN", c.loopback)
	chain.add("-p tcp -m tcp --tcp-flags RST RST -m conntrack --ctdir REPLY -j DROP")
	chain.add("%s -m conntrack --ctdir REPLY -j DROP", c.portUnreachable)
	chain.add("%s --ctdir REPLY -j RETURN", established)
	chain.add("%s -j RETURN", c.dhcpClient)
	c.eachException(&chain, "-j RETURN")
	if c.ServeUID != 0 { // a stranger who takes it over is still behind Tor, also with own-traffic = direct
		chain.add("-m owner --uid-owner %d -j %s", c.ServeUID, chainRefuse)
	}
	if c.OwnTor {
		chain.add("-j %s", chainRefuse)
	} else if v := c.virtual(); v.IsValid() {
		chain.add("-d %v -j %s", v, chainRefuse)
	}
	return chain
}

// linkLayer lets pass what IPv6 needs to find its neighbours.
func (c compiler) linkLayer(chain *Chain) {
	for _, match := range c.neighbours {
		chain.add("%s -j RETURN", match)
	}
	if c.routerAdvert == "" {
		return
	}
	for _, name := range c.Interfaces {
		chain.add("-o %s %s -j RETURN", name, c.routerAdvert)
	}
}

// refuse answers at once. What cannot be answered, such as a fragment, falls
// through to DROP.
func (c compiler) refuse() Chain {
	chain := Chain{Name: chainRefuse}
	chain.add("-p tcp -j REJECT --reject-with tcp-reset")
	chain.add("%s -j REJECT --reject-with %s", c.ping, c.refusePing)
	chain.add("-j REJECT --reject-with %s", c.refuseOther)
	chain.add("-j DROP")
	return chain
}
