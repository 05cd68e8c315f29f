//go:build lab

package netfilter

import (
	"net/netip"
	"testing"
	"time"

	"tunic/rules"
)

// A guest reaches web pages and the network's own DNS server, in a household
// that is closed and in one that is open; nobody else does, and nothing else.
func TestPortal(t *testing.T) {
	n := newNetwork(t)
	web, tls, other := n.internet.server(":80"), n.internet.server(":443"), n.internet.server(":22")
	n.internet.echo(":53")
	n.internet.echo(":443")
	for _, mode := range []rules.Mode{rules.Lockdown, rules.Open} {
		in := household()
		in.Mode = mode
		in.Guests = []rules.Guest{{MAC: phoneMAC, Resolvers: []netip.Addr{netip.MustParseAddr(internet4), netip.MustParseAddr(internet6)}}}
		n.apply(compile(t, in))
		n.wants("a page", n.talk(n.phone, internet4+":80", "", web), gateway4)
		n.wants("a page over TLS", n.talk(n.phone, internet4+":443", "", tls), gateway4)
		n.wants("a page over IPv6", n.talk(n.phone, "["+internet6+"]:80", phone6, web), phone6)
		n.wants("a name asked of the box", n.ask(n.phone, "192.168.77.1:53", ""), gateway4)
		n.wants("a name asked of somebody", n.ask(n.phone, "9.9.9.9:53", ""), gateway4)
		n.wants("a name asked over IPv6", n.ask(n.phone, "[2001:db8:77::1]:53", phone6), phone6)

		n.wan.take()
		for _, to := range []struct {
			from    *node
			address string
		}{{n.phone, internet4 + ":22"}, {n.nas, internet4 + ":80"}, {n.nas, "[" + internet6 + "]:443"}, {n.phone, "10.192.0.7:80"}} {
			if c, err := to.from.dial("tcp", to.address, ""); err == nil {
				t.Errorf("mode %v: %s reaches %s (%v)", mode, to.from.name, to.address, c.LocalAddr())
			}
		}
		n.wants("QUIC", n.silent(n.phone, internet4+":443", ""), "")
		n.wants("a name asked by another device", n.silent(n.nas, "9.9.9.9:53", ""), "")
		n.phone.ping(internet4)
		if got := n.wan.take(); len(got) != 0 {
			t.Errorf("mode %v: arrived in the internet: %q", mode, got)
		}
		select {
		case c := <-other:
			t.Errorf("mode %v: %s was let in", mode, c.RemoteAddr())
		case <-time.After(settle):
		}
	}
}

// When it closes, what was open through it ends, in lockdown too.
func TestPortalCloses(t *testing.T) {
	n := newNetwork(t)
	web := n.internet.server(":80")
	for _, mode := range []rules.Mode{rules.Lockdown, rules.Open} {
		in := household()
		in.Mode = mode
		closed := compile(t, in)
		in.Guests = []rules.Guest{{MAC: phoneMAC}}
		n.apply(compile(t, in))
		c, err := n.phone.reach("tcp", internet4+":80", "")
		if err != nil {
			t.Fatal(err)
		}
		far := <-web
		n.apply(closed)
		n.cut(rules.Portal)
		n.wan.take()
		if _, err := c.Write([]byte("more")); err != nil {
			t.Log("it ended at once:", err)
		}
		if err := far.SetReadDeadline(time.Now().Add(settle)); err != nil {
			t.Error(err)
		}
		if size, err := far.Read(make([]byte, 10)); err == nil {
			t.Errorf("mode %v: %d bytes still went through", mode, size)
		}
		if got := n.wan.take(); len(got) != 0 {
			t.Errorf("mode %v: arrived in the internet: %q", mode, got)
		}
		far.Close()
	}
}

// Explain says what the kernel does: for each flow the rule that it names last
// has matched one packet more afterwards.
func TestExplainAndKernelAgree(t *testing.T) {
	n := newNetwork(t)
	n.gateway.server(":9240")
	n.internet.server(":80")
	for _, policy := range []rules.Policy{rules.Tor, rules.Onion, rules.Direct, rules.Block} {
		in := household()
		in.Devices = []rules.Device{{MAC: phoneMAC, Policy: policy}}
		set := compile(t, in)
		n.apply(set)
		for _, f := range []rules.Flow{
			phoneFlow("tcp", internet4+":80"), phoneFlow("udp", internet4+":443"), phoneFlow("icmp", internet4+":0"),
			phoneFlow("tcp", "["+internet6+"]:80"), phoneFlow("udp", "["+internet6+"]:443"), phoneFlow("udp", "8.8.8.8:53"),
		} {
			e, err := rules.Explain(set, f)
			if err != nil {
				t.Fatal(err)
			}
			family := e.Steps[0].Family
			before := n.counters(family)
			n.send(f)
			unmoved := n.unmoved(e, before, n.counters(family))
			for end := time.Now().Add(busy); len(unmoved) > 0 && time.Now().Before(end); {
				time.Sleep(20 * time.Millisecond) // a refused packet is counted a moment later
				unmoved = n.unmoved(e, before, n.counters(family))
			}
			if len(unmoved) > 0 {
				t.Errorf("policy %v, %s to %v (%s): these rules did not match: %v", policy, f.Protocol, f.To, e.End, unmoved)
			}
			n.flush()
		}
	}
}

func phoneFlow(protocol, to string) rules.Flow {
	f := rules.Flow{In: "lan1", MAC: phoneMAC, Protocol: protocol, To: netip.MustParseAddrPort(to), From: netip.MustParseAddr(phone4)}
	if f.To.Addr().Is6() {
		f.From = netip.MustParseAddr(phone6)
	}
	return f
}

// send sends the first packet of a flow from the phone.
func (n *network) send(f rules.Flow) {
	n.t.Helper()
	switch f.Protocol {
	case "tcp":
		if c, err := n.phone.dial("tcp", f.To.String(), f.From.String()); err == nil {
			c.Close()
		}
	case "udp":
		n.phone.udp(f.To.String(), f.From.String())
	default:
		n.phone.ping(f.To.Addr().String())
	}
}

func (n *network) counters(f rules.Family) map[string][]uint64 {
	n.t.Helper()
	var counts map[string][]uint64
	var err error
	n.gateway.do(func() { counts, err = n.kernel.Counters(n.t.Context(), f) })
	if err != nil {
		n.t.Fatal(err)
	}
	return counts
}

// unmoved are the steps of an explanation whose rules have not matched since.
func (n *network) unmoved(e rules.Explanation, before, after map[string][]uint64) []rules.Step {
	var list []rules.Step
	for _, s := range e.Steps {
		key := s.Table + " " + s.Chain
		if len(after[key]) < s.Number || len(before[key]) < s.Number || after[key][s.Number-1] <= before[key][s.Number-1] {
			list = append(list, s)
		}
	}
	return list
}
