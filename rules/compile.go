package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// All chains of ours, and how a packet meets them. The names never change. "=>"
// is a jump that comes back, "->" a goto: a RETURN there leaves the chain above
// it too.
//
//	mangle PREROUTING  => TUNIC-CLASSIFY => TUNIC-DEVICE     the policy's mark, on the first packet of a connection
//	                                        => TUNIC-DEVICE-0 to -F -> TUNIC-AS-...   where there are many devices
//	                                     => TUNIC-BYPASS     the mark of direct, towards what the owner lets through
//	                                     -> TUNIC-SENT       the marks for what a device sends that is established and leaves in clear
//	                                     -> TUNIC-PASS       the mark of the wall, for what answers it
//	                   => TUNIC-GATE -> TUNIC-HOME -> TUNIC-LEAVE   the same for each other packet that may be forwarded
//	nat    PREROUTING  => TUNIC-REDIRECT => TUNIC-LAN        devices' TCP and DNS to tor and our services
//	                                     -> TUNIC-FULL       devices that have all connections to tor that they may: no more for now
//	                                     -> TUNIC-TRANS      to tor, unless the address has too many
//	                                     -> TUNIC-SINK       what will be refused to where that is done at once
//	routing            the wall (see Wall): what is forwarded without that mark ends here
//	filter INPUT       => TUNIC-INPUT -> TUNIC-CLOSED        our ports: for redirected devices and the box itself
//	                                  -> TUNIC-UPLINK        the box's other ports, from interfaces that nobody has named
//	filter FORWARD     => TUNIC-FORWARD -> TUNIC-WIRE => TUNIC-FROM      on one wire of the household
//	                                    -> TUNIC-FROM -> TUNIC-POLICY    from the household; a jump while it is closed
//	                                    -> TUNIC-TO                      to the household
//	nat    OUTPUT      => TUNIC-OWN                          the box's own TCP and DNS to tor
//	filter OUTPUT      => TUNIC-OUTPUT => TUNIC-CHILD        the box's own packets; what processes may dial that strangers reach
//	mangle POSTROUTING => TUNIC-POST                         last net, whatever the chains above have let through
//	nat    POSTROUTING => TUNIC-SNAT                         private sources of direct and onion devices
//	TUNIC-REFUSE                                             answers at once, so that programs fall back instead of hanging
//
// What our chains let pass RETURNs: the rules of the box's owner, which stand
// below the hooks, may still refuse it. There are two exceptions, without which a
// firewall that refuses by default (ufw, firewalld) cuts the household off: what
// these rules have redirected to our own ports, which nobody else can judge, and
// what the box says to itself are accepted.
const (
	chainClassify = ChainPrefix + "CLASSIFY"
	chainDevice   = ChainPrefix + "DEVICE"
	chainAs       = ChainPrefix + "AS-"
	chainBypass   = ChainPrefix + "BYPASS" // changes with the grants, alone and often
	chainSent     = ChainPrefix + "SENT"
	chainPass     = ChainPrefix + "PASS"
	chainGate     = ChainPrefix + "GATE"
	chainHome     = ChainPrefix + "HOME"
	chainLeave    = ChainPrefix + "LEAVE"
	chainRedirect = ChainPrefix + "REDIRECT"
	chainLAN      = ChainPrefix + "LAN"
	chainTrans    = ChainPrefix + "TRANS"
	chainFull     = ChainPrefix + "FULL" // changes alone: TUNIC-TRANS would begin to count from nothing
	chainSink     = ChainPrefix + "SINK"
	chainInput    = ChainPrefix + "INPUT"
	chainClosed   = ChainPrefix + "CLOSED"
	chainUplink   = ChainPrefix + "UPLINK"
	chainForward  = ChainPrefix + "FORWARD"
	chainWire     = ChainPrefix + "WIRE"
	chainFrom     = ChainPrefix + "FROM"
	chainPolicy   = ChainPrefix + "POLICY"
	chainTo       = ChainPrefix + "TO"
	chainOwn      = ChainPrefix + "OWN"
	chainOutput   = ChainPrefix + "OUTPUT"
	chainChild    = ChainPrefix + "CHILD"
	chainPost     = ChainPrefix + "POST"
	chainSNAT     = ChainPrefix + "SNAT"
	chainRefuse   = ChainPrefix + "REFUSE"
)

// Compile returns the rules for the input, or an error that lists everything
// impossible in it. The order of interfaces, prefixes, devices, services and
// exceptions in the input makes no difference.
//
// Lockdown compiles from almost nothing: without a default policy devices count
// as tor, without a carrier's uid nobody counts as it. Nothing is forwarded in it,
// whether an interface is named or not, except for guests. Tor's ports must
// always be there.
func Compile(in Input) (Ruleset, error) {
	if err := in.validate(); err != nil {
		return Ruleset{}, fmt.Errorf("compiling rules: %w", err)
	}
	in = in.normal()
	var set Ruleset
	for _, f := range Families() {
		c := compiler{Input: in, dialect: dialectOf(f), prefixes: only(f, in.Prefixes)}
		set.Tables = append(set.Tables,
			Table{f, "filter", []Chain{c.input(), c.closed(), c.uplink(), c.forward(), c.wire(), c.from(), c.policy(), c.to(), c.output(),
				c.child(), c.refuse()}},
			Table{f, "mangle", slices.Concat([]Chain{c.classify(), c.device()}, c.buckets(),
				[]Chain{c.bypass(), c.sending(), c.passing(), c.gate(), c.home(), c.leave(), c.post()})},
			Table{f, "nat", []Chain{c.redirect(), c.lan(), c.full(), c.trans(), c.sink(), c.own(), c.snat()}},
		)
	}
	return set, nil
}

// compiler makes the chains of one family.
type compiler struct {
	Input
	dialect
	prefixes []netip.Prefix // the household's, of this family
}

func (c compiler) open() bool { return c.Mode == Open }

// virtual returns this family's virtual range, invalid if there is none.
func (c compiler) virtual() netip.Prefix {
	if c.family == IPv6 {
		return c.Virtual6
	}
	return c.Virtual4
}

// sources are the addresses that a host on a household interface may use
// towards the box: the household's prefixes, and link-local where it is normal.
func (c compiler) sources() []netip.Prefix {
	return slices.Concat(c.prefixes, c.linkLocalSources)
}

// destinations are the addresses that are on the wire of a household interface
// and can never be beyond it.
func (c compiler) destinations() []netip.Prefix {
	return slices.Concat(c.prefixes, c.onLink)
}

// eachTo adds a rule for every household interface and on-link destination: in
// one-arm use the household's interface is the uplink too, so the interface
// alone says nothing.
func (c compiler) eachTo(chain *Chain, destinations []netip.Prefix, target string) {
	for _, out := range c.outs() {
		for _, p := range destinations {
			chain.add("-d %v %s %s", p, out, target)
		}
	}
}

// eachFrom adds a rule for every household interface and source address that
// belongs there.
func (c compiler) eachFrom(chain *Chain, match, target string) {
	c.eachFromOf(chain, c.ins(), match, target)
}

func (c compiler) eachFromOf(chain *Chain, ins []string, match, target string) {
	for _, in := range ins {
		for _, p := range c.sources() {
			chain.add("-s %v %s%s %s", p, in, match, target)
		}
	}
}

// ins match what a household interface brings: by its name, which holds from
// the moment at which it appears, and by its group, which stays on one that
// gets another name (L29).
func (c compiler) ins() []string { return c.matches("-i ", "-m devgroup --src-group") }

// outs match what leaves on a household interface.
func (c compiler) outs() []string { return c.matches("-o ", "-m devgroup --dst-group") }

func (c compiler) matches(name, group string) []string {
	var list []string
	for _, i := range c.Interfaces {
		list = append(list, name+i)
	}
	if c.Group != 0 && len(list) > 0 {
		list = append(list, fmt.Sprintf("%s %#x", group, c.Group))
	}
	return list
}

// add appends a rule.
func (c *Chain) add(format string, args ...any) {
	c.Rules = append(c.Rules, fmt.Sprintf(format, args...))
}

// marked matches connections of devices with that policy.
func marked(p Policy) string {
	return fmt.Sprintf("-m connmark --mark %#x/%#x", p.Mark(), MarkMask)
}

// dns returns the service that answers the household's questions.
func (in Input) dns() (Service, bool) {
	for _, s := range in.Services {
		if s.Public == dnsPort && s.UDP && s.When.in(Open) {
			return s, true
		}
	}
	return Service{}, false
}

// normal returns a copy that is sorted and without duplicates.
func (in Input) normal() Input {
	if in.Mode == Lockdown && !in.Default.valid() {
		in.Default = Tor
	}
	in.Interfaces = slices.Compact(slices.Sorted(slices.Values(in.Interfaces)))
	in.Checked = slices.Compact(slices.Sorted(slices.Values(in.Checked)))
	in.Others = slices.Compact(slices.Sorted(slices.Values(in.Others)))
	in.Bridges = slices.Compact(slices.Sorted(slices.Values(in.Bridges)))
	in.Inbound = slices.Compact(slices.SortedFunc(slices.Values(in.Inbound), func(a, b Inbound) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	}))
	in.Prefixes = slices.Compact(slices.SortedFunc(slices.Values(in.Prefixes), comparePrefixes))
	in.Children = sortChildren(in.Children)
	in.Devices = slices.SortedFunc(slices.Values(in.Devices), func(a, b Device) int { return cmp.Compare(a.MAC, b.MAC) })
	in.Services = slices.SortedFunc(slices.Values(in.Services), func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Public, b.Public), cmp.Compare(a.Internal, b.Internal), a.To.Compare(b.To))
	})
	in.Exceptions = slices.SortedFunc(slices.Values(in.Exceptions), func(a, b Exception) int {
		return cmp.Or(comparePrefixes(a.To, b.To), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	})
	full := slices.DeleteFunc(slices.Clone(in.Full), func(mac string) bool { return !validMAC(mac) })
	in.Full = slices.Compact(slices.Sorted(slices.Values(full)))
	in.Grants = sortGrants(in.Grants)
	in.Passes = sortPasses(in.Passes)
	in.Guests = sortGuests(in.Guests)
	return in
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func only(f Family, prefixes []netip.Prefix) []netip.Prefix {
	var of []netip.Prefix
	for _, p := range prefixes {
		if p.Addr().Is4() == (f == IPv4) {
			of = append(of, p)
		}
	}
	return of
}
