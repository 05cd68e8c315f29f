//go:build lab

package netfilter

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// TestDenyIncoming: a firewall that refuses by default what comes in, as ufw does,
// leaves the household's way to Tor, and the box's own, as they are.
func TestDenyIncoming(t *testing.T) {
	n := newNetwork(t)
	in := household()
	in.OwnTor = true
	tor, local := n.gateway.server(":9240"), n.gateway.server("127.0.0.1:9250")
	n.gateway.echo(":9353")
	for _, tool := range []string{"iptables", "ip6tables"} {
		n.gateway.run(tool + " -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT")
		n.gateway.run(tool + " -P INPUT DROP")
	}
	n.gateway.run("ip6tables -A INPUT -p icmpv6 -j ACCEPT") // as ufw does: without neighbours there is no IPv6
	n.apply(compile(t, in))
	n.wants("TCP", n.talk(n.phone, internet4+":80", "", tor), phone4)
	n.wants("TCP over IPv6", n.talk(n.phone, "["+internet6+"]:80", "", tor), phone6)
	n.wants("DNS", n.ask(n.phone, internet4+":53", ""), phone4)
	n.wants("what the box says to itself", n.talk(n.gateway, "127.0.0.1:9250", "", local), "127.0.0.1")
	n.wants("the box's TCP", n.talk(n.gateway, internet4+":80", "", tor), gateway4)

	set := compile(t, in)
	for i, table := range set.Tables {
		for j, c := range table.Chains {
			for k, rule := range c.Rules {
				set.Tables[i].Chains[j].Rules[k] = strings.Replace(rule, "-j ACCEPT", "-j RETURN", 1)
			}
		}
	}
	n.apply(set)
	for _, from := range []*node{n.phone, n.gateway} {
		if c, err := from.dial("tcp", internet4+":80", ""); err == nil {
			c.Close()
			t.Errorf("%s reaches tor although nothing accepts it: this test proves nothing", from.name)
		}
	}
}

// TestWhatTheLinkNeeds: errors, neighbours, routers and DHCP come in from the
// internet's interface without having been asked for, and nothing like them does.
func TestWhatTheLinkNeeds(t *testing.T) {
	n := newNetwork(t)
	n.internet.ip("addr add fe80::1:1/64 dev eth0 nodad")
	n.gateway.ip("addr add fe80::2:2/64 dev wan0 nodad")
	set := compile(t, household())
	n.apply(set)
	type arrival struct {
		match string // of what has come past our rules
		from  string
		fits  bool
		make  func(from, to netip.Addr) traffic.IP
	}
	message := func(protocol, kind byte) func(from, to netip.Addr) traffic.IP {
		return func(from, to netip.Addr) traffic.IP {
			p := traffic.Control(from, to, protocol, append([]byte{kind, 0, 0, 0}, make([]byte, 36)...))
			p.TTL = 255
			return p
		}
	}
	datagram := func(source, port uint16) func(from, to netip.Addr) traffic.IP {
		return func(from, to netip.Addr) traffic.IP {
			return traffic.Datagram(netip.AddrPortFrom(from, source), netip.AddrPortFrom(to, port), []byte("hello"))
		}
	}
	var list []arrival
	for kind, fits := range map[byte]bool{3: true, 11: true, 12: true, 5: false, 8: false, 13: false} {
		list = append(list, arrival{fmt.Sprintf("-p icmp --icmp-type %d", kind), internet4, fits, message(traffic.ICMP, kind)})
	}
	for kind, fits := range map[byte]bool{1: true, 2: true, 3: true, 4: true, 130: true, 134: true, 135: true, 136: true, 128: false,
		137: false, 139: false} {
		list = append(list, arrival{fmt.Sprintf("-p icmpv6 --icmpv6-type %d", kind), "fe80::1:1", fits, message(traffic.ICMPv6, kind)})
	}
	list = append(list,
		arrival{"-p udp --sport 67 --dport 68", internet4, true, datagram(67, 68)},
		arrival{"-p udp --sport 53 --dport 68", internet4, false, datagram(53, 68)},
		arrival{"-p udp --sport 67 --dport 69", internet4, false, datagram(67, 69)},
		arrival{"-s fe80::/10 -p udp --sport 547 --dport 546", "fe80::1:1", true, datagram(547, 546)},
		arrival{"-s 2001::/16 -p udp --sport 547 --dport 546", internet6, false, datagram(547, 546)})
	tool := func(a arrival) (string, string) {
		switch {
		case strings.HasPrefix(a.from, "fe80"):
			return "ip6tables", "fe80::2:2"
		case strings.Contains(a.from, ":"):
			return "ip6tables", gateway6
		}
		return "iptables", gateway4
	}
	come := func(a arrival) bool {
		program, to := tool(a)
		n.gateway.run(program + " -Z INPUT")
		for range 3 {
			if err := (traffic.Host{Namespace: n.internet.name}).On("eth0").Send(a.make(netip.MustParseAddr(a.from),
				netip.MustParseAddr(to)).Bytes()); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(settle)
		out := n.gateway.run(program + " -w -nvxL INPUT 2")
		return len(strings.Fields(out)) > 0 && strings.Fields(out)[0] != "0"
	}
	for _, a := range list {
		program, _ := tool(a)
		n.gateway.run(program + " -A INPUT -i wan0 " + a.match) // counts what our chain let pass
		if got := come(a); got != a.fits {
			t.Errorf("%s: arrives: %v", a.match, got)
		}
		n.gateway.run(program + " -D INPUT -i wan0 " + a.match)
	}
	closed := without(set, []string{`^TUNIC-UPLINK -(p (icmp|ipv6-icmp|udp)|s fe80)`})
	n.apply(closed)
	i := slices.IndexFunc(list, func(a arrival) bool { return a.match == "-p icmp --icmp-type 3" })
	n.gateway.run("iptables -A INPUT -i wan0 " + list[i].match)
	if come(list[i]) {
		t.Error("it arrives without its rule: this test proves nothing")
	}
}

// TestBridgesOfOthers: two containers on one bridge speak with each other, also
// where br_netfilter shows that to the rules and the bridge is named nowhere.
func TestBridgesOfOthers(t *testing.T) {
	n := newNetwork(t)
	one, two := newNode(t, "one"), newNode(t, "two")
	n.gateway.ip("link add docker0 type bridge")
	n.gateway.ip("link set docker0 up")
	n.gateway.ip("addr add 172.17.0.1/16 dev docker0")
	for name, of := range map[string]*node{"port1": one, "port2": two} {
		n.gateway.ip("link add " + name + " type veth peer name eth0 netns " + of.name)
		n.gateway.ip("link set " + name + " master docker0 up")
		of.ip("link set eth0 up")
	}
	one.ip("addr add 172.17.0.2/16 dev eth0")
	two.ip("addr add 172.17.0.3/16 dev eth0")
	one.ip("route add default via 172.17.0.1")
	n.gateway.set("bridge/bridge-nf-call-iptables", "1")
	in := household()
	in.Bridges = []string{"docker0"}
	server := two.server(":80")
	for _, mode := range []rules.Mode{rules.Open, rules.Lockdown} {
		in.Mode = mode
		n.apply(compile(t, in))
		n.wants("a container to another", n.talk(one, "172.17.0.3:80", "", server), "172.17.0.2")
		n.wan.take()
		one.udp(internet4+":443", "")
		if got := n.wan.take(); len(got) > 0 {
			t.Errorf("a container reaches the internet: %q", got)
		}
	}
	n.apply(without(n.current, []string{`^TUNIC-FORWARD -i docker0 -o docker0`}))
	if _, err := one.dial("tcp", "172.17.0.3:80", ""); err == nil {
		t.Error("it does so without the rule: this test proves nothing")
	}
}

// TestPortScan: of all ports of the box none answers the internet, by any of its
// addresses and in any state, though servers listen on all of them (L4); one that
// is named does. That what answers is seen, the named one shows.
func TestPortScan(t *testing.T) {
	if os.Getenv("TUNIC_LONG") == "" {
		t.Skip("it takes long: make long; the same is tried end to end")
	}
	n := newNetwork(t)
	for _, port := range []string{":22", ":70", ":143", ":993", ":5222", ":6667", ":9240", ":31337"} {
		n.gateway.server(port)
	}
	n.gateway.echo(":5353")
	n.gateway.echo(":51820")
	scan := func(to, from string) (answers []string) {
		t.Helper()
		n.wan.take()
		var packets [][]byte
		at := func(a string, port int) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr(a), uint16(port))
		}
		for port := 1; port <= 65535; port++ {
			packets = append(packets, traffic.Segment(at(from, 40000), at(to, port), traffic.SYN).Bytes(),
				traffic.Datagram(at(from, 40000), at(to, port), []byte("?")).Bytes())
		}
		for chunk := range slices.Chunk(packets, 8192) {
			if err := (traffic.Host{Namespace: n.internet.name}).Send(chunk...); err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range n.wan.take() {
			if strings.HasPrefix(line, to+" > "+from+" ") && !strings.Contains(line, "protocol 58 type 13") { // neighbours
				answers = append(answers, line)
			}
		}
		return answers
	}
	in := household()
	in.OwnTor = true
	closed := in
	closed.Mode = rules.Lockdown
	named := in
	named.Inbound = []rules.Inbound{{Protocol: rules.ProtocolTCP, Port: 22}, {Protocol: rules.ProtocolUDP, Port: 51820}}
	for _, c := range []struct { // the named ones come last: what has been answered goes on
		what string
		in   rules.Input
	}{{"open", in}, {"in lockdown", closed}, {"with two ports named", named}} {
		what, in := c.what, c.in
		n.apply(compile(t, in))
		for to, from := range map[string]string{gateway4: internet4, gateway6: internet6, "192.168.77.1": internet4,
			"2001:db8:77::1": internet6} {
			got := scan(to, from)
			tcp := slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "protocol 6 ports 22 > 40000") })
			udp := slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "protocol 17 ports 51820 > 40000") })
			others := slices.DeleteFunc(got, func(line string) bool {
				return strings.Contains(line, "ports 22 > 40000") || strings.Contains(line, "ports 51820 > 40000")
			})
			if wanted := len(in.Inbound) > 0; tcp != wanted || udp != wanted || len(others) > 0 {
				t.Errorf("%s: %s answers: port 22 %v, port 51820 %v, others %q", what, to, tcp, udp, others[:min(5, len(others))])
			}
		}
	}
}
