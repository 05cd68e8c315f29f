package rules

// classify sends the first packet of each connection from the household to
// TUNIC-DEVICE: the cost of a packet does not grow with the number of devices.
// Then every packet comes by the gate of the wall.
func (c compiler) classify() Chain {
	chain := Chain{Name: chainClassify}
	c.sent(&chain, c.ins(), judged, "-g "+chainSent, "-g "+chainGate)
	c.answers(&chain, []string{""}, "-g "+chainPass)
	for _, in := range c.ins() {
		chain.add("%s -m conntrack --ctstate NEW -j %s", in, chainDevice)
	}
	chain.add("-j %s", chainGate)
	return chain
}

// device marks the connection: first as the default says, then as the device's
// own policy says. The last match wins, so a device is never without a mark. Many
// devices are spread over buckets.
func (c compiler) device() Chain {
	chain := Chain{Name: chainDevice}
	chain.add("-j CONNMARK --set-xmark %#x/%#x", c.Default.Mark(), MarkMask)
	if c.spread() {
		for n := range buckets {
			chain.add("%s -j %s", bucket(n), bucketChain(n))
		}
	} else {
		for _, d := range c.differing() {
			chain.add("-m mac --mac-source %s -j CONNMARK --set-xmark %#x/%#x", d.MAC, d.Policy.Mark(), MarkMask)
		}
	}
	c.pass(&chain)
	c.portal(&chain)
	if c.bypasses() {
		chain.add("-m connmark ! --mark %#x/%#x -j %s", Block.Mark(), MarkMask, chainBypass)
	}
	return chain
}

// post is the last net, where the interface on which a packet leaves is final.
// It trusts no other chain, but for what is sent over an open connection (SentMark):
//   - nothing to or from a loopback address leaves (M01);
//   - nothing to or from a virtual address leaves;
//   - what answers a connection that began in the household goes to the
//     household: a device that lies about its source address cannot make the
//     box send an answer to the internet. Early in the boot, when nobody knows
//     the household's addresses, this would lock the administrator out, and
//     nothing but the box's own servers could answer;
//   - what has a household source, and is not the box's own, leaves only for a
//     device that may, or as the answer of a port forward (L17).
func (c compiler) post() Chain {
	chain := Chain{Name: chainPost}
	chain.add("-o lo -j RETURN")
	chain.add("-s %v -j DROP", c.loopback)
	chain.add("-d %v -j DROP", c.loopback)
	c.sent(&chain, []string{""}, known, "-j RETURN", "-j DROP")
	c.eachTo(&chain, c.destinations(), "-j RETURN")
	if v := c.virtual(); v.IsValid() {
		chain.add("-s %v -j DROP", v)
		chain.add("-d %v -j DROP", v)
	}
	c.eachBeside(&chain, "-s %v -j DROP")
	c.eachBeside(&chain, "-d %v -j DROP")
	if c.open() || len(c.Prefixes) > 0 {
		chain.add("-m connmark ! --mark 0x0/%#x -m conntrack --ctdir REPLY -j DROP", MarkMask)
	}
	chain.add("-m addrtype --src-type LOCAL -j RETURN")
	for _, match := range c.leavingFirst() {
		chain.add("%s -j RETURN", match)
	}
	if c.open() {
		chain.add("%s -j RETURN", forwardedReply)
	}
	for _, p := range c.prefixes {
		chain.add("-s %v -j DROP", p)
	}
	return chain
}
