//go:build lab

package netfilter

import (
	"net"
	"regexp"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/rules"
)

// leak is a kind of traffic that must not reach the internet. Each is sent
// three times: with all rules, when nothing may arrive; without the layers of
// netfilter that hold it, when nothing of a device's may, because of the second
// wall; and without that too, when something must: a test that cannot fail
// proves nothing.
type leak struct {
	name   string
	input  func(*rules.Input)
	send   func(*network)
	layers []string // expressions for "CHAIN RULE"
}

const (
	layerSink     = `-g TUNIC-SINK$`
	layerPolicy   = `^TUNIC-POLICY -j TUNIC-REFUSE$`
	layerPost     = `^TUNIC-POST -s (192|2001|fd77).* -j DROP$`
	layerTrans    = `^TUNIC-LAN -p tcp -g TUNIC-FULL$`
	layerMid      = `^TUNIC-(POLICY|OUTPUT) .*--ctstate NEW -j`
	layerInvalid  = `--ctstate INVALID -j DROP$`
	layerSource   = `^TUNIC-FROM -j DROP$`
	layerNamed    = `^TUNIC-FORWARD -j DROP$`
	layerUplink   = `^TUNIC-UPLINK -j DROP$`
	layerAnswer   = `^TUNIC-POST .*--ctdir REPLY -j DROP$`
	layerClosed   = `^TUNIC-INPUT .* -g TUNIC-CLOSED$`
	layerOutput   = `^TUNIC-OUTPUT -j TUNIC-REFUSE$`
	layerOwn      = `^TUNIC-OWN .*-j REDIRECT`
	layerVirtual  = `^TUNIC-(POLICY|POST|OUTPUT) -d (10\.192|fdc7).*-j`
	layerLoopback = `^TUNIC-POST -[sd] (127|::1).* -j DROP$`
)

func policy(p rules.Policy) func(*rules.Input) {
	return func(in *rules.Input) { in.Default = p }
}

// walled reports whether the second wall holds it too: it is for what devices
// may not send at all, not for the box and its answers.
func (l leak) walled() bool {
	return !regexp.MustCompile(`^(the box|box |answer |unreachable |loopback |virtual address from|UDP by tor|DNS of an ` +
		`onion)`).MatchString(l.name)
}

func ownTor(in *rules.Input) { in.OwnTor = true }

func leaks() []leak {
	plain := func(*rules.Input) {}
	return []leak{
		{"QUIC", plain, func(n *network) { n.phone.udp(internet4+":443", "") }, []string{layerPolicy, layerPost}},
		{"QUIC over IPv6 (L01)", plain, func(n *network) { n.phone.udp("["+internet6+"]:443", "") }, []string{layerPolicy, layerPost}},
		{"QUIC from a ULA", plain, func(n *network) { n.phone.udp("["+internet6+"]:443", phoneULA) }, []string{layerPolicy, layerPost}},
		{"DNS to any resolver (L07)", plain, func(n *network) { n.phone.udp(internet4+":53", "") },
			[]string{`^TUNIC-LAN -p udp`, layerPolicy, layerPost}},
		{"DNS to any resolver over IPv6 (L02)", plain, func(n *network) { n.phone.udp("["+internet6+"]:53", "") },
			[]string{`^TUNIC-LAN -p udp`, layerPolicy, layerPost}},
		{"DNS of an onion device", policy(rules.Onion), func(n *network) { n.phone.udp(internet4+":53", "") },
			[]string{`^TUNIC-LAN -p udp`}},
		{"ping (L05)", plain, func(n *network) { n.phone.ping(internet4) }, []string{layerPolicy, layerPost}},
		{"ping over IPv6 (L05)", plain, func(n *network) { n.phone.ping(internet6) }, []string{layerPolicy, layerPost}},
		{"6in4 (L03)", plain, func(n *network) { n.phone.raw(41, internet4, make([]byte, 40)) }, []string{layerPolicy, layerPost}},
		{"GRE (L03)", plain, func(n *network) { n.phone.raw(47, internet6, make([]byte, 40)) },
			[]string{layerPolicy, layerPost, layerInvalid}},
		{"ESP (L03)", plain, func(n *network) { n.phone.raw(50, internet4, make([]byte, 40)) }, []string{layerPolicy, layerPost}},
		{"unknown protocol (L06)", plain, func(n *network) { n.phone.raw(253, internet6, make([]byte, 40)) },
			[]string{layerPolicy, layerPost}},
		{"fragments (L18)", plain, func(n *network) { n.phone.raw(253, internet4, make([]byte, 4000)) }, []string{layerPolicy, layerPost}},
		{"TCP", plain, func(n *network) { n.phone.dial("tcp", internet4+":80", "") }, []string{layerTrans, layerPolicy, layerPost}},
		{"TCP over IPv6", plain, func(n *network) { n.phone.dial("tcp", "["+internet6+"]:80", "") },
			[]string{layerTrans, layerPolicy, layerPost}},
		{"TCP of a blocked device", policy(rules.Block), func(n *network) { n.phone.dial("tcp", internet4+":80", "") },
			[]string{`^TUNIC-POLICY .*-j TUNIC-REFUSE$`, layerTrans, layerPost}},
		{"TCP in mid-stream (L16)", plain, func(n *network) { n.phone.segment(phone4, internet4, 0x18) },
			[]string{layerTrans, layerMid, layerPolicy, layerPost}},
		{"TCP in mid-stream over IPv6 (L16)", plain, func(n *network) { n.phone.segment(phone6, internet6, 0x11) },
			[]string{layerInvalid, layerTrans, layerMid, layerPolicy, layerPost}},
		{"TCP with impossible flags (L17)", policy(rules.Direct), func(n *network) { n.phone.segment(phone4, internet4, 0x03) },
			[]string{layerInvalid, layerPolicy, layerPost}},
		{"UDP with a stranger's source", plain, func(n *network) { n.phone.udp(internet4+":443", stranger4) }, []string{layerSource}},
		{"UDP with a stranger's source over IPv6", plain, func(n *network) { n.phone.udp("["+internet6+"]:443", stranger6) },
			[]string{layerSource}},
		{"answer of a server to a stranger", plain, func(n *network) { n.phone.dial("tcp", "192.168.77.1:22", stranger4) },
			[]string{layerAnswer}},
		{"answer of a server to a stranger over IPv6", plain, func(n *network) { n.phone.dial("tcp", "[2001:db8:77::1]:22", stranger6) },
			[]string{layerAnswer}},
		{"answer of tor to a stranger", plain, func(n *network) { n.phone.dial("tcp", internet4+":80", stranger4) },
			[]string{layerClosed, layerAnswer}},
		{"unreachable to a stranger", plain, func(n *network) { n.phone.udp("192.168.77.1:9", stranger4) },
			[]string{layerAnswer, `^TUNIC-OUTPUT .*--icmp-type 3/3`}},
		{"virtual address of a direct device (L37)", policy(rules.Direct), func(n *network) { n.phone.udp("10.192.0.1:443", "") },
			[]string{layerVirtual}},
		{"virtual address of a direct device over IPv6", policy(rules.Direct),
			func(n *network) { n.phone.udp("[fdc7:7a3e:91b2::1]:443", "") }, []string{layerVirtual}},
		{"virtual address from the box", plain, func(n *network) { n.gateway.udp("10.192.0.1:443", "") }, []string{layerVirtual}},
		{"loopback source on the WAN (M01)", plain, sendLoopback, []string{layerLoopback}},
		{"the box's UDP (L33)", ownTor, func(n *network) { n.gateway.udp(internet4+":123", "") }, []string{layerOutput}},
		{"the box's ping", ownTor, func(n *network) { n.gateway.ping(internet6) }, []string{layerOutput}},
		{"the box's TCP", ownTor, func(n *network) { n.gateway.dial("tcp", internet4+":80", "") }, []string{layerOutput, layerOwn}},
		{"the box's DNS", ownTor, func(n *network) { n.gateway.udp("["+internet6+"]:53", "") }, []string{layerOutput, layerOwn}},
		{"UDP by tor's uid (L35)", ownTor, func(n *network) { n.gateway.as(971, func() { n.gateway.udpHere(internet4 + ":443") }) },
			[]string{layerOutput}},
		{"the box's TCP after a flush (M02)", ownTor, sendAfterFlush, []string{layerOwn, layerMid, layerOutput, layerInvalid}},
		{"box reset of a cut connection (M03)", plain, cutConnection, []string{`^TUNIC-OUTPUT .*RST RST`}},
		{"box unreachable of a cut flow (M03)", plain, cutDatagrams, []string{`^TUNIC-OUTPUT .*--icmp-type 3/3`, layerUplink}},
		{"connection from before the rules (L19)", plain, openBefore, []string{layerMid, layerPolicy, layerPost, layerInvalid, layerTrans}},
		{"lockdown of a direct device", lockdown(rules.Direct), func(n *network) { n.phone.udp(internet4+":443", "") },
			[]string{layerPolicy, layerPost, layerNamed}},
		{"lockdown before the household is known (L22)", early, func(n *network) { n.phone.udp(internet4+":443", "") },
			[]string{layerNamed}},
		{"the household has a wrong name (L1)", misnamed, func(n *network) { n.phone.udp(internet4+":443", "") }, []string{layerNamed}},
		{"the household has a wrong name, closed", closedMisnamed, func(n *network) { n.phone.udp("["+internet6+"]:443", "") },
			[]string{layerNamed}},
	}
}

func lockdown(p rules.Policy) func(*rules.Input) {
	return func(in *rules.Input) { in.Mode, in.Default = rules.Lockdown, p }
}

// misnamed is a household that is said to be behind an interface that is not there.
func misnamed(in *rules.Input) { in.Interfaces, in.Prefixes = []string{"lan0"}, nil }

func closedMisnamed(in *rules.Input) { misnamed(in); in.Mode = rules.Lockdown }

func early(in *rules.Input) {
	*in = rules.Input{Carriers: []rules.Carrier{{TransPort: 9240, DNSPort: 9253}}}
}

func TestLeaks(t *testing.T) {
	n := newNetwork(t)
	n.gateway.server(":9240")
	n.gateway.server(":22")
	n.far = n.internet.server(":8080")
	for _, address := range []string{":9353", ":9253"} {
		n.gateway.echo(address)
	}
	for _, l := range leaks() {
		t.Run(l.name, func(t *testing.T) {
			in := household()
			l.input(&in)
			full := compile(t, in)
			less := without(full, append(l.layers, layerSink))
			for _, f := range []struct {
				name  string
				set   rules.Ruleset
				razed bool
				leaks bool
			}{{"all rules", full, false, false}, {"the second wall alone", less, false, !l.walled()},
				{"without its layers", less, true, true}} {
				n.flush()
				n.razed = f.razed
				n.apply(f.set)
				n.wan.take()
				l.send(n)
				if got := n.wan.take(); (len(got) > 0) != f.leaks {
					t.Errorf("%s: arrived in the internet: %q", f.name, got)
				} else if f.leaks {
					t.Logf("%s: %q", f.name, got[0])
				}
			}
		})
	}
}

// without returns the ruleset less the rules that match one of the expressions.
func without(set rules.Ruleset, expressions []string) rules.Ruleset {
	var less rules.Ruleset
	for _, table := range set.Tables {
		chains := slices.Clone(table.Chains)
		for i, c := range chains {
			chains[i].Rules = slices.DeleteFunc(slices.Clone(c.Rules), func(rule string) bool {
				return slices.ContainsFunc(expressions,
					func(e string) bool { return regexp.MustCompile(e).MatchString(c.Name + " " + rule) })
			})
		}
		less.Tables = append(less.Tables, rules.Table{Family: table.Family, Name: table.Name, Chains: chains})
	}
	return less
}

// as runs f with another uid, as far as sockets are concerned.
func (n *node) as(uid int, f func()) {
	n.t.Helper()
	n.do(func() {
		if err := unix.Setfsuid(uid); err != nil {
			n.t.Error(err)
			return
		}
		f()
	})
}

// udpHere sends from the namespace and the uid of the calling thread.
func (n *node) udpHere(address string) {
	c, err := net.Dial("udp", address)
	if err != nil {
		n.t.Error(err)
		return
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		n.t.Logf("sending to %s: %v", address, err)
	}
}

// sendLoopback sends a packet with source 127.0.0.1 out of the WAN.
func sendLoopback(n *network) {
	n.gateway.do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
		if err != nil {
			n.t.Error(err)
			return
		}
		defer unix.Close(fd)
		packet := make([]byte, 40)
		copy(packet, []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 253, 0, 0, 127, 0, 0, 1, 203, 0, 113, 1})
		if err := unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: [4]byte{203, 0, 113, 1}}); err != nil {
			n.t.Logf("sending: %v", err)
		}
	})
}

// sendAfterFlush goes on with a connection of the box that was redirected.
func sendAfterFlush(n *network) {
	c, err := n.gateway.reach("tcp", internet4+":8080", "")
	if err != nil {
		n.t.Error(err)
		return
	}
	n.wan.take()
	n.flush()
	if _, err := c.Write([]byte("hello")); err != nil {
		n.t.Logf("writing: %v", err)
	}
	c.Close()
}

// direct lets the phone's connections be made in clear, then restores the rules.
func direct(n *network, f func()) {
	n.t.Helper()
	current := n.current
	in := household()
	in.Default = rules.Direct
	n.apply(compile(n.t, in))
	f()
	n.apply(current)
}

// cutConnection opens a direct connection, makes the policy stricter, cuts, and
// lets the other side send.
func cutConnection(n *network) {
	var far net.Conn
	direct(n, func() {
		if _, err := n.phone.reach("tcp", internet4+":8080", ""); err != nil {
			n.t.Error(err)
			return
		}
		far = n.accepted()
	})
	n.cut(rules.Direct)
	n.wan.take()
	if far == nil {
		n.t.Error("the connection did not reach the internet")
		return
	}
	if _, err := far.Write([]byte("hello")); err != nil {
		n.t.Error(err)
	}
}

// cutDatagrams is the same with UDP.
func cutDatagrams(n *network) {
	var far net.PacketConn
	n.internet.do(func() {
		var err error
		if far, err = net.ListenPacket("udp4", ":8083"); err != nil {
			n.t.Error(err)
		}
	})
	defer far.Close()
	var from net.Addr
	direct(n, func() {
		n.phone.udp(internet4+":8083", "")
		if err := far.SetReadDeadline(time.Now().Add(busy)); err != nil {
			n.t.Error(err)
		}
		var err error
		if _, from, err = far.ReadFrom(make([]byte, 16)); err != nil {
			n.t.Error(err)
		}
	})
	n.cut(rules.Direct)
	n.wan.take()
	if _, err := far.WriteTo([]byte("hello"), from); err != nil {
		n.t.Error(err)
	}
}

// openBefore opens a connection while there are no rules at all.
func openBefore(n *network) {
	n.gateway.teardown(n.kernel)
	c, err := n.phone.reach("tcp", internet4+":8080", "")
	if err != nil {
		n.t.Error(err)
		return
	}
	n.accepted()
	n.apply(n.current)
	n.wan.take()
	if _, err := c.Write([]byte("hello")); err != nil {
		n.t.Logf("writing: %v", err)
	}
}
