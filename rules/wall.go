package rules

import (
	"fmt"
	"net/netip"
)

// WallMark is the bit of a packet's mark that says that it may be forwarded. It
// lies beside MarkMask, and belongs to packets, not to connections: whoever
// empties our chains takes it from the next packet on.
const WallMark uint32 = 0x10000000

// sinkPort is a port of the box on which nobody listens. What would only be
// refused is redirected there: the wall has no answers, and a program that
// hears nothing hangs.
const sinkPort = 9249

// RoutingRule is a rule of routing policy (ip-rule(8)) of either family.
type RoutingRule struct {
	Mark   bool // matches only packets with WallMark
	Own    bool // matches only what the box itself sends ("iif lo")
	Half   int  // matches only sources with that first bit; -1: any
	Action RoutingAction
}

// RoutingAction is what a rule of routing policy does.
type RoutingAction int

const (
	LookupLocal RoutingAction = iota // the box's own addresses, as the kernel's first rule
	Skip                             // go on after the wall
	Swallow                          // the packet ends there, without a word
	Nothing                          // the place after the wall
)

// String returns what stands behind the selector in "ip rule".
func (a RoutingAction) String() string {
	return [...]string{"lookup local", "goto the end", "blackhole", "nop"}[a]
}

// Wall returns the second wall: rules of routing policy that have to stand
// before everybody else's, in this order, for both families. What is for the
// box, what it sends, and what carries WallMark goes on to the rules behind;
// everything else ends. It depends on nothing, so that it can stand before
// anything is known, and stays when somebody empties the tables of netfilter.
//
// The kernel also asks where a gateway is (ip -6 route add), with no interface
// and no source: rules for both halves of all sources do not match that, one
// for all sources would.
func Wall() []RoutingRule {
	return []RoutingRule{
		{Half: -1, Action: LookupLocal},
		{Half: -1, Mark: true, Action: Skip},
		{Half: -1, Own: true, Action: Skip},
		{Half: 0, Action: Swallow},
		{Half: 1, Action: Swallow},
		{Half: -1, Action: Nothing},
	}
}

// Source returns the sources that a rule with a Half matches in a family.
func (r RoutingRule) Source(f Family) netip.Prefix {
	first := byte(r.Half) << 7
	if f == IPv6 {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{first}), 1)
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{first}), 1)
}

// through is the target that lets a packet pass the wall.
var through = fmt.Sprintf("-j MARK --set-xmark %#x/%#x", WallMark, WallMark)

// passing marks answers that the gate need not judge.
func (c compiler) passing() Chain {
	chain := Chain{Name: chainPass}
	if c.open() {
		chain.add("%s", through)
	}
	return chain
}

// sending marks what a device sends that the gate need not judge, for the wall and for
// TUNIC-FORWARD and TUNIC-POST.
func (c compiler) sending() Chain {
	chain := Chain{Name: chainSent}
	if c.open() {
		chain.add("-j MARK --set-xmark %#x/%#x", WallMark|SentMark, WallMark|SentMark)
	}
	return chain
}

// gate marks what TUNIC-FORWARD is to let pass, and nothing else: a packet that
// was marked and then meets an empty TUNIC-FORWARD leaves. A port forward is
// not known here yet, but only the box's own addresses have one. Household
// sources on an interface that is none of the household's are its devices', on
// one that got another name; only answers go to the household from elsewhere.
func (c compiler) gate() Chain {
	chain := Chain{Name: chainGate}
	if len(c.Interfaces) == 0 {
		return chain
	}
	chain.add("%s -j RETURN", invalid)
	if c.open() {
		chain.add("%s %s", forwardedReply, through)
	}
	for _, match := range c.leavingAnswers() {
		chain.add("%s %s", match, through)
	}
	for _, in := range c.ins() {
		chain.add("%s -g %s", in, chainHome)
	}
	for _, p := range c.prefixes {
		chain.add("-s %v -j RETURN", p)
		chain.add("-d %v -j RETURN", p)
	}
	c.elsewhere(&chain)
	return chain
}

// elsewhere lets on what the networks send that the owner has named, what answers
// them, and the owner's port forwards.
func (c compiler) elsewhere(chain *Chain) {
	if !c.open() {
		return
	}
	for _, name := range c.Others {
		chain.add("-i %s %s", name, through)
	}
	c.answersElsewhere(chain)
	chain.add("-m addrtype --dst-type LOCAL %s", through)
}

func (c compiler) answersElsewhere(chain *Chain) {
	if len(c.Others) > 0 {
		chain.add("%s --ctdir REPLY %s", established, through)
	}
}

// home lets on only what has an address of the household, and in one-arm use
// what the internet answers other networks.
func (c compiler) home() Chain {
	chain := Chain{Name: chainHome}
	for _, p := range c.prefixes {
		chain.add("-s %v -g %s", p, chainLeave)
	}
	if c.OneArm && c.open() {
		for _, p := range c.prefixes {
			chain.add("-d %v -j RETURN", p)
		}
		c.answersElsewhere(&chain)
		chain.add("-m addrtype --dst-type LOCAL %s", through)
	}
	return chain
}

// leave is TUNIC-POLICY for packets of which nobody knows yet where they leave.
func (c compiler) leave() Chain {
	chain := Chain{Name: chainLeave}
	if len(c.leaving()) == 0 {
		return chain
	}
	chain.add("%s -j RETURN", midStream)
	if v := c.virtual(); v.IsValid() {
		chain.add("-d %v -j RETURN", v)
	}
	c.eachBeside(&chain, "-d %v -j RETURN")
	if c.open() {
		chain.add("%s -j RETURN", marked(Block))
		chain.add("-m addrtype --dst-type LOCAL %s", through)
		for _, p := range c.prefixes {
			chain.add("-d %v %s", p, through)
		}
	} else {
		c.leaveClosed(&chain)
	}
	for _, match := range c.leavingFirst() {
		chain.add("%s %s", match, through)
	}
	return chain
}

// leaveClosed is for guests: their questions, whomever they ask, are led on to
// the network in front of the box, and nothing goes to the household.
func (c compiler) leaveClosed(chain *Chain) {
	for _, protocol := range []string{"udp", "tcp"} {
		chain.add("-p %s -m %s --dport %d %s %s", protocol, protocol, dnsPort, marked(Portal), through)
	}
	for _, p := range c.prefixes {
		chain.add("-d %v -j RETURN", p)
	}
}

// sink leads what would be refused to a port where TUNIC-INPUT refuses it at
// once. The box's own ports and what stays on the wire are not its business.
// Protocols without ports end at the wall, but for ping.
func (c compiler) sink() Chain {
	chain := Chain{Name: chainSink}
	chain.add("-m addrtype --dst-type LOCAL -j RETURN")
	for _, p := range c.onLink {
		chain.add("-d %v -j RETURN", p)
	}
	chain.add("-p tcp -j REDIRECT --to-ports %d", sinkPort)
	chain.add("-p udp -j REDIRECT --to-ports %d", sinkPort)
	chain.add("%s -j REDIRECT", c.ping)
	return chain
}

// sunk refuses what comes out of TUNIC-SINK. TCP is left to the kernel, which
// resets what nobody listens for: a REJECT's reset would go back over the port
// of a bridge past all translation, with an address that the device never
// dialled, where bridged packets come by here (br_netfilter).
func (c compiler) sunk(chain *Chain) {
	if c.open() { // TUNIC-CLOSED accepts what was redirected, and so does not depend on its owner's rules
		chain.add("-p tcp -m tcp --dport %d -g %s", sinkPort, chainClosed)
	} else {
		c.eachFrom(chain, fmt.Sprintf(" -p tcp -m tcp --dport %d", sinkPort), "-j RETURN")
		chain.add("-p tcp -m tcp --dport %d -j DROP", sinkPort)
	}
	c.eachFrom(chain, fmt.Sprintf(" -p udp -m udp --dport %d", sinkPort), "-j "+chainRefuse)
	c.eachFrom(chain, fmt.Sprintf(" %s -m conntrack --ctstate DNAT", c.ping), "-j "+chainRefuse)
	chain.add("-p udp -m udp --dport %d -j DROP", sinkPort)
	for _, in := range c.ins() {
		chain.add("%s %s -m conntrack --ctstate DNAT -j DROP", in, c.ping)
	}
}
