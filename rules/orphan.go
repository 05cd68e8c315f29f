package rules

// carried is the mark of connections that tor has opened. A device's policy is
// another, and Portal.
const carried Policy = 6

// carry marks what tor opens. The table nat sees the first packet of a connection
// alone, so no other is slower for it.
//
// A second carrier's connections are not marked: when it is taken out of the
// configuration, nothing would say whose of the two the mark is.
func (c compiler) carry(chain *Chain) {
	if uid := c.tor().UID; uid != 0 {
		chain.add("-p tcp -m owner --uid-owner %d -j CONNMARK --set-xmark %#x/%#x", uid, carried.Mark(), MarkMask)
	}
}

// orphans lets go out what the kernel still sends in a connection of tor's when
// no process has it any more: what stood in the send buffer, the FIN behind it,
// acknowledgements, and resets. It has no owner (xt_owner looks for the socket's
// file), so no rule about tor's uid matches; refused, as the box's own traffic
// is, it would leave the relay with half a connection, and the other ends of its
// circuits with theirs.
//
// What IPv4 says where there is no connection, it sends by a socket of the kernel's
// own, which is not told from a program's: of that only resets go out, in which
// nothing is. Nobody else sends in such a connection: who happens to have its ports
// and addresses is refused, wherever the box's own traffic may go.
func (c compiler) orphans(chain *Chain) {
	if c.tor().UID == 0 {
		return
	}
	open := "-p tcp " + marked(carried) + " " + original
	chain.add("%s -m owner ! --socket-exists -j RETURN", open)
	if c.family == IPv4 {
		chain.add("%s -m tcp --tcp-flags RST RST -j RETURN", open)
	}
	chain.add("-p tcp %s -m conntrack --ctdir ORIGINAL -j %s", marked(carried), chainRefuse)
}
