//go:build lab

package netfilter

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tunic/rules"
)

// bypassed is the household with a bypass for the phone; its addresses come
// with grants.
func bypassed() rules.Input {
	in := household()
	in.NTPPort = 9323
	in.Bypasses = []rules.Bypass{{Domains: []string{"bank.example"}, MACs: []string{phoneMAC}}}
	return in
}

// granted lets the phone reach the internet's server.
func granted(in rules.Input) rules.Input {
	for _, to := range []string{internet4, internet6} {
		in.Grants = append(in.Grants, rules.Grant{MAC: phoneMAC, To: netip.MustParseAddr(to)})
	}
	return in
}

func (n *network) drift() []string {
	n.t.Helper()
	var drift []string
	var err error
	n.gateway.do(func() { drift, err = n.kernel.Verify(n.t.Context(), n.current) })
	if err != nil {
		n.t.Fatal(err)
	}
	return drift
}

// A grant opens the way for one device, and its end closes it for new
// connections; another device goes through Tor all the time.
func TestGrant(t *testing.T) {
	n := newNetwork(t)
	tor, far := n.gateway.server(":9240"), n.internet.server(":80")
	n.gateway.echo(":9353")
	n.internet.echo(":53")
	n.apply(compile(t, bypassed()))
	for _, to := range []struct{ internet, phone, nas, gateway, inside string }{
		{internet4, phone4, nas4, gateway4, phone4},
		{"[" + internet6 + "]", phone6, nas6, gateway6, phone6},
	} {
		outside := to.phone
		if to.phone == phone4 {
			outside = to.gateway // private sources leave under the box's address
		}
		n.wants("without a grant the phone", n.talk(n.phone, to.internet+":80", to.phone, tor), to.phone)
		n.apply(compile(t, granted(bypassed())))
		n.wants("with a grant the phone", n.talk(n.phone, to.internet+":80", to.phone, far), outside)
		n.wants("the other device", n.talk(n.nas, to.internet+":80", "", tor), to.nas)
		n.wants("DNS of the phone", n.ask(n.phone, to.internet+":53", to.phone), to.phone)
		if drift := n.drift(); len(drift) > 0 {
			t.Errorf("after a grant: %q", drift)
		}
		n.apply(compile(t, bypassed()))
		n.wants("after its end the phone", n.talk(n.phone, to.internet+":80", to.phone, tor), to.phone)
		if drift := n.drift(); len(drift) > 0 {
			t.Errorf("after its end: %q", drift)
		}
	}
}

// A connection that a grant let out goes on when the grant has ended, and ends
// when the bypass itself is taken away.
func TestGrantedConnectionGoesOn(t *testing.T) {
	n := newNetwork(t)
	far := n.internet.server(":80")
	n.apply(compile(t, bypassed()))
	n.apply(compile(t, granted(bypassed())))
	c, err := n.phone.reach("tcp", internet4+":80", "")
	if err != nil {
		t.Fatal(err)
	}
	s := <-far
	defer s.Close()
	passes := func() bool { return n.phone.passes(c, s) }
	if !passes() {
		t.Fatal("the connection is not open")
	}
	n.apply(compile(t, bypassed()))
	if !passes() {
		t.Error("the end of the grant cut a connection")
	}
	n.apply(compile(t, household()))
	for _, c := range rules.Cuts(bypassed(), household()) {
		n.cut(c.Mark)
	}
	n.wan.take()
	if n.phone.leaks(c, s) {
		t.Error("the connection goes on without the bypass")
	}
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("arrived in the internet: %q", got)
	}
}

// Bypassed prefixes are open to their devices without any grant, a blocked
// device's are not, and lockdown closes all.
func TestBypassedPrefix(t *testing.T) {
	n := newNetwork(t)
	tor, far := n.gateway.server(":9240"), n.internet.server(":80")
	in := bypassed()
	in.Bypasses = []rules.Bypass{{MACs: []string{phoneMAC},
		Prefixes: []netip.Prefix{netip.MustParsePrefix(internet4 + "/32"), netip.MustParsePrefix("2001:db8:1::/48")}}}
	n.apply(compile(t, in))
	n.wants("the phone", n.talk(n.phone, internet4+":80", "", far), gateway4)
	n.wants("the phone over IPv6", n.talk(n.phone, "["+internet6+"]:80", phone6, far), phone6)
	n.wants("the other device", n.talk(n.nas, internet4+":80", "", tor), nas4)
	blocked := in
	blocked.Devices = []rules.Device{{MAC: phoneMAC, Policy: rules.Block}}
	closed := in
	closed.Mode = rules.Lockdown
	for name, in := range map[string]rules.Input{"blocked": blocked, "lockdown": closed} {
		n.apply(compile(t, in))
		n.wan.take()
		for _, to := range []string{internet4 + ":80", "[" + internet6 + "]:80"} {
			if _, err := n.phone.dial("tcp", to, ""); err == nil {
				t.Errorf("%s: %s is reached", name, to)
			}
		}
		if got := n.wan.take(); len(got) != 0 {
			t.Errorf("%s: arrived in the internet: %q", name, got)
		}
	}
}

// Questions for the time reach the box whatever server they are for; those of
// a direct device go where they are sent, and none leaves without the server.
func TestTime(t *testing.T) {
	n := newNetwork(t)
	n.gateway.echo(":9323")
	n.nas.echo(":123")
	n.internet.echo(":123")
	in := bypassed()
	n.apply(compile(t, in))
	for _, policy := range []rules.Policy{rules.Tor, rules.Onion} {
		in.Default = policy
		n.apply(compile(t, in))
		n.wan.take()
		n.wants("a built-in server", n.ask(n.phone, internet4+":123", ""), phone4)
		n.wants("a built-in server over IPv6", n.ask(n.phone, "["+internet6+"]:123", phone6), phone6)
		n.wants("the box", n.ask(n.phone, "192.168.77.1:123", ""), phone4)
		n.wants("the household's own server", n.ask(n.phone, nas4+":123", ""), phone4)
		if got := n.wan.take(); len(got) != 0 {
			t.Errorf("%v: arrived in the internet: %q", policy, got)
		}
	}
	in.Default = rules.Direct
	n.apply(compile(t, in))
	n.wants("a direct device", n.ask(n.phone, internet4+":123", ""), gateway4)
	in.Default, in.NTPPort = rules.Tor, 0
	n.apply(compile(t, in))
	n.wan.take()
	n.wants("without a time server", n.silent(n.phone, internet4+":123", ""), "")
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("without a time server: arrived in the internet: %q", got)
	}
	if _, err := n.internet.dial("tcp", gateway4+":9323", ""); err == nil {
		t.Error("the internet reaches the time server")
	}
}

// TestOnlyChangedChainsAreLoaded: the counters of the others go on, and Verify
// sees a foreign change of either.
func TestOnlyChangedChainsAreLoaded(t *testing.T) {
	n := newNetwork(t)
	n.gateway.server(":9240")
	n.apply(compile(t, bypassed()))
	n.talkToBox()
	count := func() uint64 {
		var counts map[string][]uint64
		var err error
		n.gateway.do(func() { counts, err = n.kernel.Counters(t.Context(), rules.IPv4) })
		if err != nil {
			t.Fatal(err)
		}
		classify := counts["mangle TUNIC-CLASSIFY"]
		return classify[len(classify)-1] // to TUNIC-GATE
	}
	before := count()
	n.apply(compile(t, granted(bypassed())))
	if after := count(); before == 0 || after < before {
		t.Errorf("%d packets were counted, after another chain has changed %d", before, after)
	}
	for _, chain := range []string{"TUNIC-BYPASS", "TUNIC-DEVICE"} {
		n.gateway.run("iptables -t mangle -F " + chain)
		if drift := n.drift(); len(drift) != 1 || !strings.Contains(drift[0], chain+" was changed") {
			t.Errorf("after a foreign flush: %q", drift)
		}
		n.apply(compile(t, bypassed()))
		n.apply(compile(t, granted(bypassed())))
		if drift := n.drift(); len(drift) != 0 {
			t.Errorf("after the next change: %q", drift)
		}
	}
}

// talkToBox has the phone open a connection.
func (n *network) talkToBox() {
	n.t.Helper()
	c, err := n.phone.reach("tcp", internet4+":80", "")
	if err != nil {
		n.t.Fatal(err)
	}
	c.Close()
}

func TestHardwareAddr(t *testing.T) {
	n := newNetwork(t)
	var mac string
	var err error
	n.phone.ping("192.168.77.1")
	n.gateway.do(func() { mac, err = HardwareAddr([]string{"lan1", "lan2"}, netip.MustParseAddr(phone4)) })
	if mac != phoneMAC || err != nil {
		t.Errorf("the phone is %q, %v", mac, err)
	}
	n.gateway.do(func() { mac, err = HardwareAddr([]string{"lan1", "nowhere"}, netip.MustParseAddr("192.168.77.99")) })
	if mac != "" || err != nil {
		t.Errorf("nobody is %q, %v", mac, err)
	}
}

// passes sends a word over an open connection by which it has to arrive, and reports whether it does.
func (n *node) passes(from, to net.Conn) bool {
	n.t.Helper()
	return n.arrives(from, to, busy)
}

// leaks does the same with one by which nothing may.
func (n *node) leaks(from, to net.Conn) bool {
	n.t.Helper()
	return n.arrives(from, to, 500*time.Millisecond)
}

func (n *node) arrives(from, to net.Conn, wait time.Duration) bool {
	n.t.Helper()
	if _, err := from.Write([]byte("word")); err != nil {
		return false
	}
	if err := to.SetReadDeadline(time.Now().Add(wait)); err != nil {
		n.t.Error(err)
	}
	_, err := io.ReadFull(to, make([]byte, 4))
	return err == nil
}
