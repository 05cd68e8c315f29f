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

// forward judges what is from or to the household, and then what is neither.
// What goes to the household's addresses is judged on any interface: its own may
// have got another name (M04).
func (c compiler) forward() Chain {
	chain := Chain{Name: chainForward}
	ins, outs := c.ins(), c.outs()
	c.sent(&chain, ins, known, "-j RETURN", "-g "+chainFrom)
	c.answers(&chain, outs, "-j RETURN")
	for i := range ins {
		chain.add("%s %s -g %s", ins[i], outs[i], chainWire)
	}
	if c.OneArm { // by the household's interface the internet answers other networks too
		c.othersAnswers(&chain)
	}
	for _, in := range ins {
		if c.open() { // what passes there is done
			chain.add("%s -g %s", in, chainFrom)
		} else {
			chain.add("%s -j %s", in, chainFrom)
		}
	}
	for _, p := range c.prefixes {
		chain.add("-d %v -g %s", p, chainTo)
	}
	if c.OneArm { // and they go out by it
		c.others(&chain)
	}
	for _, out := range outs {
		chain.add("%s -g %s", out, chainTo)
	}
	if !c.open() && len(c.Guests) > 0 {
		for _, in := range ins { // judged above
			chain.add("%s -j RETURN", in)
		}
	}
	if !c.OneArm {
		c.othersAnswers(&chain)
		c.others(&chain)
	}
	for _, name := range c.Bridges {
		chain.add("-i %s -o %s -j RETURN", name, name)
	}
	chain.add("-j DROP")
	return chain
}

// others lets pass what the networks send that the owner has named beside the
// household, and the owner's port forwards to them. Whatever else comes from an
// interface that is not the household's, or leads to one, ends: a network that
// appears, or that nobody has thought of, goes nowhere (L1, L32).
func (c compiler) others(chain *Chain) {
	if !c.open() {
		return
	}
	for _, name := range c.Others {
		chain.add("-i %s -j RETURN", name)
		chain.add("-o %s -m conntrack --ctstate DNAT -j RETURN", name)
	}
}

// othersAnswers lets pass what answers those networks.
func (c compiler) othersAnswers(chain *Chain) {
	if !c.open() {
		return
	}
	for _, name := range c.Others {
		chain.add("-o %s %s -j RETURN", name, established)
	}
}

// wire judges what stays on one household interface. Routers send little there,
// but with br_netfilter, which Docker switches on, every frame between two
// ports of a bridge comes by. Neighbours have to find each other as if the box
// were a switch (RFC 4861), whoever they are: what goes to addresses that are
// never beyond the wire passes, and the answers and probes that neighbour
// discovery sends to one address. Everything else, which in one-arm use may be
// on its way to the internet, is judged as always.
func (c compiler) wire() Chain {
	chain := Chain{Name: chainWire}
	for _, p := range c.onLink {
		chain.add("-d %v -j RETURN", p)
	}
	for _, p := range c.prefixes {
		for _, match := range c.resolution {
			chain.add("-d %v %s -j RETURN", p, match)
		}
	}
	chain.add("-j %s", chainFrom)
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
// helper of conntrack expects are new ones, and are not among them (M10).
func (c compiler) replies(chain *Chain) {
	for _, match := range c.leavingAnswers() {
		chain.add("%s -j RETURN", match)
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
		c.eachBeside(&chain, "-d %v -j "+chainRefuse)
		for _, match := range c.leavingFirst() {
			chain.add("%s -j RETURN", match)
		}
	}
	c.portalClosed(&chain)
	chain.add("-j %s", chainRefuse)
	return chain
}

// to judges what goes to the household. What also came from there was judged
// in TUNIC-FROM. Everything else must answer a device that may go out, or be
// the owner's port forward: a device's global IPv6 address is not reachable by
// itself (M04). What a helper of conntrack expects, because somebody inside has
// spoken FTP or SIP or something that looks like it, would pass for a port
// forward: it is translated with the connection that it belongs to (M10).
func (c compiler) to() Chain {
	chain := Chain{Name: chainTo}
	if c.open() {
		chain.add("! %s -m conntrack --ctstate RELATED -j DROP", c.ping)
		chain.add("-m conntrack --ctstate DNAT --ctdir ORIGINAL -j RETURN")
	}
	c.replies(&chain)
	chain.add("-j DROP")
	return chain
}

// output judges the box's own packets; the order was found by experiment. Carriers
// stand before the checks of state, or a flush of conntrack by anybody would
// cut tor itself off. The rules for redirected traffic match by address,
// because its out-interface is still the uplink here. A redirect would send
// devices past the box to the router beside it (L30). The box's own resets and
// port-unreachables towards the internet answer what arrives for connections
// of devices that were cut (M03), so they stay here.
func (c compiler) output() Chain {
	chain := Chain{Name: chainOutput}
	c.carriers(&chain)
	chain.add("%s -j DROP", invalid)
	chain.add("%s -j DROP", midStream)
	chain.add("%s -j DROP", c.detour)
	c.linkLayer(&chain)
	c.children(&chain)
	c.carriersDNS(&chain)
	chain.add("-o lo -j RETURN")
	c.eachTo(&chain, c.destinations(), "-j RETURN")
	chain.add("-d %v -m conntrack --ctstate DNAT --ctdir ORIGINAL -j RETURN", c.loopback)
	chain.add("-p tcp -m tcp --tcp-flags RST RST -m conntrack --ctdir REPLY -j DROP")
	chain.add("%s -m conntrack --ctdir REPLY -j DROP", c.portUnreachable)
	chain.add("%s --ctdir REPLY -j RETURN", established)
	c.orphans(&chain)
	chain.add("%s -j RETURN", c.dhcpClient)
	c.eachException(&chain, func(Exception) bool { return true }, "-j RETURN")
	c.astray(&chain)
	if c.OwnTor {
		chain.add("-j %s", chainRefuse)
		return chain
	}
	if v := c.virtual(); v.IsValid() {
		chain.add("-d %v -j %s", v, chainRefuse)
	}
	c.eachBeside(&chain, "-d %v -j "+chainRefuse)
	return chain
}

// linkLayer lets pass what IPv6 needs to find its neighbours.
func (c compiler) linkLayer(chain *Chain) {
	for _, match := range c.neighbours {
		chain.add("%s -j RETURN", match)
	}
}

// refuse answers at once. REJECT drops also what cannot be answered, such as a
// fragment.
func (c compiler) refuse() Chain {
	chain := Chain{Name: chainRefuse}
	chain.add("-p tcp -j REJECT --reject-with tcp-reset")
	chain.add("%s -j REJECT --reject-with %s", c.ping, c.refusePing)
	chain.add("-j REJECT --reject-with %s", c.refuseOther)
	return chain
}
