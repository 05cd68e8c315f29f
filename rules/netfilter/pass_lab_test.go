//go:build lab

package netfilter

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunic/rules"
)

// atOnce is how fast a refusal must be: programs fall back instead of hanging. It is less than the second after which TCP
// asks again (RFC 6298, section 2).
const atOnce = 900 * time.Millisecond

// talk sends a line over a new connection and has the server say whom it sees.
func (n *network) talk(from *node, address, source string, server <-chan net.Conn) string {
	n.t.Helper()
	c, err := from.reach("tcp", address, source)
	if err != nil {
		n.t.Errorf("dialling %s: %v", address, err)
		return ""
	}
	select {
	case s := <-server:
		defer s.Close()
		if _, err := io.WriteString(s, "seen"); err != nil {
			n.t.Error(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(busy)); err != nil {
			n.t.Error(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			n.t.Errorf("answer from %s: %v", address, err)
		}
		host, _, err := net.SplitHostPort(s.RemoteAddr().String())
		if err != nil {
			n.t.Error(err)
		}
		return host
	case <-time.After(busy):
		n.t.Errorf("the connection to %s went elsewhere", address)
		return ""
	}
}

// ask sends a datagram that has to be answered, and returns whom the server saw, or "".
func (n *network) ask(from *node, address, source string) string {
	n.t.Helper()
	return n.askFor(busy, from, address, source)
}

// silent does the same with a datagram that nobody may answer.
func (n *network) silent(from *node, address, source string) string {
	n.t.Helper()
	return n.askFor(500*time.Millisecond, from, address, source)
}

func (n *network) askFor(wait time.Duration, from *node, address, source string) string {
	n.t.Helper()
	c, err := from.dial("udp", address, source)
	if err != nil {
		n.t.Error(err)
		return ""
	}
	if _, err := c.Write([]byte("?")); err != nil {
		return ""
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		n.t.Error(err)
	}
	buffer := make([]byte, 100)
	size, err := c.Read(buffer)
	if err != nil {
		return ""
	}
	host, _, err := net.SplitHostPort(string(buffer[:size]))
	if err != nil {
		n.t.Error(err)
	}
	return host
}

// wants checks that a connection or datagram was seen with that source.
func (n *network) wants(what, got, want string) {
	n.t.Helper()
	if got != want {
		n.t.Errorf("%s was seen from %q, want %q", what, got, want)
	}
}

func TestTorDevice(t *testing.T) {
	n := newNetwork(t)
	n.apply(compile(t, household()))
	tor, socks, nas := n.gateway.server(":9240"), n.gateway.server(":9350"), n.nas.server(":80")
	n.gateway.echo(":9353")
	n.nas.echo(":5353")
	for _, to := range []struct{ internet, box, nas, virtual, from string }{
		{internet4, "192.168.77.1", nas4, "10.192.0.7", phone4},
		{"[" + internet6 + "]", "[2001:db8:77::1]", "[" + nas6 + "]", "[fdc7:7a3e:91b2::7]", phone6},
	} {
		n.wants("TCP to the internet", n.talk(n.phone, to.internet+":80", "", tor), to.from)
		n.wants("TCP to a virtual address", n.talk(n.phone, to.virtual+":80", to.from, tor), to.from)
		n.wants("SOCKS on the box", n.talk(n.phone, to.box+":9050", to.from, socks), to.from)
		n.wants("TCP to the other network", n.talk(n.phone, to.nas+":80", to.from, nas), to.from)
		n.wants("UDP to the other network", n.ask(n.phone, to.nas+":5353", to.from), to.from)
		n.wants("DNS to the box", n.ask(n.phone, to.box+":53", to.from), to.from)
		n.wants("DNS to the internet", n.ask(n.phone, to.internet+":53", to.from), to.from)
		n.wants("DNS to the other network (L09)", n.ask(n.phone, to.nas+":53", to.from), to.from)
	}
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("arrived in the internet: %q", got)
	}
}

func TestDirectAndOnionDevices(t *testing.T) {
	n := newNetwork(t)
	tor, far := n.gateway.server(":9240"), n.internet.server(":80")
	n.gateway.echo(":9353")
	n.internet.echo(":443")
	for _, p := range []rules.Policy{rules.Direct, rules.Onion} {
		in := household()
		in.Devices = []rules.Device{{MAC: phoneMAC, Policy: p}}
		n.apply(compile(t, in))
		n.wants("TCP", n.talk(n.phone, internet4+":80", "", far), gateway4)
		n.wants("TCP over IPv6", n.talk(n.phone, "["+internet6+"]:80", phone6, far), phone6)
		n.wants("TCP from a ULA", n.talk(n.phone, "["+internet6+"]:80", phoneULA, far), gateway6)
		n.wants("UDP", n.ask(n.phone, internet4+":443", ""), gateway4)
		n.wants("UDP over IPv6", n.ask(n.phone, "["+internet6+"]:443", phone6), phone6)
		n.wants("TCP to a virtual address", n.talk(n.phone, "10.192.0.7:80", "", tor), phone4)
		n.wants("DNS to the box", n.ask(n.phone, "192.168.77.1:53", ""), phone4)
	}
	n.wants("DNS of an onion device", n.ask(n.phone, internet4+":53", ""), phone4)
	n.internet.echo(":53")
	n.apply(compile(t, withDefault(rules.Direct)))
	n.wants("DNS of a direct device", n.ask(n.phone, internet4+":53", phone4), gateway4)
}

func withDefault(p rules.Policy) rules.Input {
	in := household()
	in.Default = p
	return in
}

// TestMasqueradeBesideAnother: the owner's own NAT, set up as on most routers,
// goes on working for what it is for.
func TestMasqueradeBesideAnother(t *testing.T) {
	n := newNetwork(t)
	n.gateway.run("iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE")
	n.apply(compile(t, withDefault(rules.Direct)))
	far := n.internet.server(":80")
	n.wants("TCP", n.talk(n.phone, internet4+":80", "", far), gateway4)
}

func TestRefusedAtOnce(t *testing.T) {
	n := newNetwork(t)
	n.apply(compile(t, withDefault(rules.Block)))
	for _, network := range []string{"tcp", "udp"} {
		for _, address := range []string{internet4 + ":443", "[" + internet6 + "]:443", nas4 + ":443", "[fdc7:7a3e:91b2::7]:443",
			"192.168.77.1:9240", "192.168.77.1:9353"} {
			start := time.Now()
			c, err := n.phone.dial(network, address, "")
			if err == nil { // UDP
				err = refusal(c)
			}
			if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(start) > atOnce {
				t.Errorf("%s to %s: %v after %v", network, address, err, time.Since(start))
			}
		}
	}
	for _, address := range []string{internet4, internet6} {
		var out []byte
		n.phone.do(func() { out, _ = exec.Command("ping", "-c", "1", "-W", "2", "-q", address).Output() }) // fails: that is the point
		if !strings.Contains(string(out), "+1 errors") {
			t.Errorf("ping was not refused: %s", out)
		}
	}
}

// refusal sends a datagram and returns what came of it.
func refusal(c net.Conn) error {
	if _, err := c.Write([]byte("?")); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(busy)); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}

func TestInbound(t *testing.T) {
	n := newNetwork(t)
	nas, phone, ssh := n.nas.server(":80"), n.phone.server(":80"), n.gateway.server(":22")
	n.gateway.server(":9240")
	seen := n.phone.captureOn("eth0")
	n.gateway.run("iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 8080 -j DNAT --to-destination " + nas4 + ":80")
	n.gateway.run("ip6tables -t nat -A PREROUTING -i wan0 -p tcp --dport 8080 -j DNAT --to-destination [" + nas6 + "]:80")
	for _, p := range []rules.Policy{rules.Tor, rules.Direct} {
		in := withDefault(p)
		in.OwnTor = true
		n.apply(compile(t, in))
		n.wants("port forward", n.talk(n.internet, gateway4+":8080", "", nas), internet4)
		n.wants("port forward over IPv6", n.talk(n.internet, "["+gateway6+"]:8080", "", nas), internet6)
		seen.take()
		for _, address := range []string{gateway4 + ":22", "[" + gateway6 + "]:22", "192.168.77.1:22", "[" + phone6 + "]:80",
			phone4 + ":80", gateway4 + ":9240", "[" + gateway6 + "]:9240"} {
			if _, err := n.internet.dial("tcp", address, ""); err == nil {
				t.Errorf("%v: %s is reachable from the internet (M04, L44)", p, address)
			}
		}
		n.internet.udp("["+phone6+"]:9", "")
		if got := seen.take(); len(got) != 0 {
			t.Errorf("%v: arrived at the phone: %q", p, got)
		}
		in.Inbound = []rules.Inbound{{Protocol: rules.ProtocolTCP, Port: 22}}
		n.apply(compile(t, in))
		n.wants("administration", n.talk(n.internet, gateway4+":22", "", ssh), internet4)
		n.wants("administration over IPv6", n.talk(n.internet, "["+gateway6+"]:22", "", ssh), internet6)
	}
	n.apply(without(n.current, []string{`^TUNIC-TO -j DROP$`}))
	n.raze()
	if _, err := n.internet.dial("tcp", "["+phone6+"]:80", ""); err == nil {
		<-phone
	}
	if got := seen.take(); len(got) == 0 {
		t.Error("nothing arrived at the phone without the rule either: this test proves nothing")
	}
}

func TestOwnTraffic(t *testing.T) {
	n := newNetwork(t)
	in := household()
	in.OwnTor = true
	n.apply(compile(t, in))
	tor, nas, far := n.gateway.server(":9240"), n.nas.server(":80"), n.internet.server(":80")
	n.gateway.echo(":9253")
	n.nas.echo(":53")
	n.wants("TCP", n.talk(n.gateway, internet4+":80", "", tor), gateway4)
	n.wants("TCP over IPv6", n.talk(n.gateway, "["+internet6+"]:80", "", tor), gateway6)
	n.wants("TCP to a virtual address", n.talk(n.gateway, "10.192.0.7:80", "", tor), gateway4)
	n.wants("DNS", n.ask(n.gateway, internet4+":53", ""), gateway4)
	n.wants("DNS over IPv6", n.ask(n.gateway, "["+internet6+"]:53", ""), gateway6)
	n.wants("DNS to the household (L09)", n.ask(n.gateway, nas4+":53", ""), "192.168.78.1")
	n.wants("TCP to the household", n.talk(n.gateway, nas4+":80", "", nas), "192.168.78.1")
	n.wants("TCP within the box", n.talk(n.gateway, "127.0.0.1:9240", "", tor), "127.0.0.1")
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("arrived in the internet: %q", got)
	}
	n.gateway.as(971, func() {
		for _, address := range []string{internet4 + ":80", "[" + internet6 + "]:80"} {
			c, err := net.DialTimeout("tcp", address, busy)
			if err != nil {
				t.Errorf("tor itself cannot reach %s: %v", address, err)
				continue
			}
			(<-far).Close()
			c.Close()
		}
	})
}

// TestExceptions: what the owner lets the box send outside Tor leaves, to there
// and nowhere else, also while the household is closed.
func TestExceptions(t *testing.T) {
	n := newNetwork(t)
	in := household()
	in.OwnTor = true
	const vpn = 51820
	for _, to := range []string{internet4 + "/32", internet6 + "/128"} {
		in.Exceptions = append(in.Exceptions,
			rules.Exception{Protocol: rules.ProtocolUDP, To: netip.MustParsePrefix(to), Port: vpn},
			rules.Exception{Protocol: 50, To: netip.MustParsePrefix(to)})
	}
	send := func() []string {
		n.wan.take()
		for _, to := range []string{internet4, internet6} {
			n.gateway.udp(net.JoinHostPort(to, "51820"), "")
			n.gateway.raw(50, to, make([]byte, 40))
			n.gateway.udp(net.JoinHostPort(to, "51821"), "")
			n.gateway.raw(47, to, make([]byte, 40))
		}
		n.gateway.raw(50, "203.0.113.77", make([]byte, 40))
		return n.wan.take()
	}
	for _, mode := range []rules.Mode{rules.Open, rules.Lockdown} {
		in.Mode = mode
		n.apply(compile(t, in))
		got := slices.Compact(slices.Sorted(slices.Values(send())))
		if len(got) != 4 || strings.Contains(strings.Join(got, "\n"), "51821") || strings.Contains(strings.Join(got, "\n"), "protocol 47") {
			t.Errorf("mode %v: arrived in the internet: %q", mode, got)
		}
	}
}

// TestLockdownKeepsAdministrator: whatever is known of the household, its
// administrator reaches the box.
func TestLockdownKeepsAdministrator(t *testing.T) {
	n := newNetwork(t)
	ssh := n.gateway.server(":22")
	known := household()
	known.Mode, known.OwnTor = rules.Lockdown, true
	booting := known
	booting.Prefixes = nil
	unknown := rules.Input{OwnTor: true, Carriers: []rules.Carrier{{TransPort: 9240, DNSPort: 9253}}}
	for _, in := range []rules.Input{known, booting, unknown} {
		n.apply(compile(t, in))
		n.wants("administration", n.talk(n.phone, "192.168.77.1:22", phone4, ssh), phone4)
		from, to := phoneULA, "[fd77::1]:22" // of which it is known that no router of the internet carries it
		if len(in.Prefixes) > 0 {
			from, to = phone6, "[2001:db8:77::1]:22"
		}
		n.wants("administration over IPv6", n.talk(n.phone, to, from, ssh), from)
		if c, err := n.internet.dial("tcp", gateway4+":22", ""); err == nil {
			t.Errorf("the internet reaches the box: %v", c.RemoteAddr())
		}
		for _, address := range []string{internet4 + ":80", nas4 + ":80", "[" + nas6 + "]:80"} {
			if _, err := n.phone.dial("tcp", address, ""); err == nil {
				t.Errorf("%s is reachable in lockdown", address)
			}
		}
	}
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("arrived in the internet: %q", got)
	}
}

// TestTorSurvivesFlush: tor's own connections go on when somebody flushes
// conntrack, because its uid stands before the checks of state.
func TestTorSurvivesFlush(t *testing.T) {
	n := newNetwork(t)
	in := household()
	in.OwnTor = true
	n.apply(compile(t, in))
	far := n.internet.server(":443")
	var c net.Conn
	n.gateway.as(971, func() {
		var err error
		if c, err = net.DialTimeout("tcp", internet4+":443", busy); err != nil {
			t.Error(err)
		}
	})
	if c == nil {
		return
	}
	defer c.Close()
	s := <-far
	defer s.Close()
	n.flush()
	for _, pair := range [][2]net.Conn{{c, s}, {s, c}} {
		if _, err := pair[0].Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		if err := pair[1].SetReadDeadline(time.Now().Add(busy)); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(pair[1], make([]byte, 5)); err != nil {
			t.Errorf("after the flush: %v", err)
		}
	}
}
