//go:build lab

package netfilter

import (
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/rules"
)

const other4, other6 = "192.168.77.20", "2001:db8:77::20"

// newBridge is a household of one bridge with two devices, phone and nas, of
// whose frames iptables sees each, as on a box with Docker.
func newBridge(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, phone: newNode(t, "phone"), nas: newNode(t, "nas"), gateway: newNode(t, "gw"), internet: newNode(t, "wan")}
	n.gateway.ip("link add lan1 type bridge")
	for _, h := range []*node{n.phone, n.nas} {
		port := "port-" + h.name[len(h.name)-3:]
		n.gateway.ip("link add " + port + " type veth peer name eth0 netns " + h.name)
		n.gateway.ip("link set " + port + " master lan1 up")
	}
	n.gateway.ip("link set lan1 up")
	n.gateway.ip("addr add 192.168.77.1/24 dev lan1")
	n.gateway.ip("addr add 2001:db8:77::1/64 dev lan1 nodad")
	n.wire(n.internet, "wan0", gateway4+"/24", gateway6+"/64")
	n.host(n.phone, phone4+"/24", phone6+"/64", "192.168.77.1", "2001:db8:77::1")
	n.host(n.nas, other4+"/24", other6+"/64", "192.168.77.1", "2001:db8:77::1")
	n.host(n.internet, internet4+"/24", internet6+"/64", gateway4, gateway6)
	n.gateway.ip("route add default via " + internet4)
	n.gateway.ip("-6 route add default via " + internet6)
	for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding", "bridge/bridge-nf-call-iptables",
		"bridge/bridge-nf-call-ip6tables"} {
		n.gateway.set(name, "1")
	}
	n.kernel = n.gateway.kernel()
	n.wan = n.internet.captureOn("eth0")
	return n
}

// meets reports whether the phone, which has forgotten everybody, gets an
// answer from an address.
func (n *network) meets(address string) bool {
	n.t.Helper()
	n.phone.ip("neigh flush dev eth0")
	var err error
	n.phone.do(func() { err = exec.Command("ping", "-c", "1", "-W", "3", "-q", address).Run() })
	return err == nil
}

// linkLocal returns a node's IPv6 link-local address.
func (n *node) linkLocal() string {
	n.t.Helper()
	var found string
	n.do(func() {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			n.t.Error(err)
			return
		}
		addrs, _ := link.Addrs()
		for _, a := range addrs {
			if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() == nil && ip.IsLinkLocalUnicast() {
				found = ip.String()
			}
		}
	})
	return found
}

// TestBridgedNeighbours: devices on one bridge find each other and what they
// announce to everybody, open or closed, and none of it leaves (L28).
func TestBridgedNeighbours(t *testing.T) {
	n := newBridge(t)
	in := household()
	in.Interfaces, in.Prefixes = in.Interfaces[:1], in.Prefixes[:2]
	n.apply(compile(t, in))
	far := n.nas.linkLocal()
	for _, address := range []string{other4, other6, far + "%eth0"} {
		if !n.meets(address) {
			t.Errorf("the phone does not reach %s on its own bridge", address)
		}
	}
	web := n.nas.server(":80")
	n.wants("TCP over the bridge", n.talk(n.phone, "["+far+"%eth0]:80", "", web), n.phone.linkLocal()+"%eth0")
	heard := n.nas.captureOn("eth0")
	announce := func() []string {
		for _, to := range []string{"224.0.0.251", "239.255.255.250"} {
			n.phone.raw(unix.IPPROTO_UDP, to, []byte{0x14, 0xe9, 0x14, 0xe9, 0, 8, 0, 0})
		}
		n.phone.udp("[ff02::fb%eth0]:5353", "")
		return heard.take()
	}
	if got := announce(); len(got) < 3 {
		t.Errorf("of three announcements (mDNS, SSDP) the other heard %q", got)
	}
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("arrived in the internet: %q", got)
	}

	closed := in
	closed.Mode = rules.Lockdown
	n.apply(compile(t, closed))
	if got := announce(); len(got) < 3 {
		t.Errorf("in lockdown the other heard %q", got)
	}
	if _, err := n.phone.dial("tcp", other4+":80", ""); err == nil {
		t.Error("in lockdown the bridge passes TCP")
	}

	for rule, address := range map[string]string{
		`^TUNIC-FORWARD -i lan1 -o lan1 -g TUNIC-WIRE$`: other6,
		`^TUNIC-WIRE -d ff00::/8 -j RETURN$`:            other6,
		`^TUNIC-WIRE -d fe80::/10 -j RETURN$`:           far + "%eth0",
	} {
		n.apply(without(compile(t, in), []string{rule}))
		if n.meets(address) {
			t.Errorf("without %s the phone reaches %s all the same: this test proves nothing", rule, address)
		}
	}
	n.apply(without(compile(t, in), []string{`^TUNIC-LAN -d fe80::/10 -j RETURN$`}))
	if c, err := n.phone.dial("tcp", "["+far+"%eth0]:80", ""); err == nil {
		c.Close()
		t.Error("TCP to a link-local address does not depend on its rule")
	}
	n.probes(compile(t, in))
}

// probes sends what neighbour discovery sends to one address to see whether it
// is still there (RFC 4861, section 7.3), from a link-local source, with the
// rules for it and without.
func (n *network) probes(set rules.Ruleset) {
	n.t.Helper()
	var ear, mouth net.PacketConn
	var err error
	n.nas.do(func() { ear, err = net.ListenPacket("ip6:ipv6-icmp", other6) })
	if err != nil {
		n.t.Fatal(err)
	}
	defer ear.Close()
	from := &net.IPAddr{IP: net.ParseIP(n.phone.linkLocal()), Zone: "eth0"}
	n.phone.do(func() { mouth, err = net.ListenPacket("ip6:ipv6-icmp", from.String()) })
	if err != nil {
		n.t.Fatal(err)
	}
	defer mouth.Close()
	to := &net.IPAddr{IP: net.ParseIP(other6)}
	number := byte(0)
	arrives := func(kind byte) bool {
		number++ // tells it from what the systems themselves say
		message := append([]byte{kind, 0, 0, 0, 0, 0, 0, number}, to.IP...)
		if _, err := mouth.WriteTo(message, to); err != nil {
			n.t.Error(err)
		}
		buffer := make([]byte, 100)
		for ear.SetReadDeadline(time.Now().Add(300*time.Millisecond)) == nil {
			size, _, err := ear.ReadFrom(buffer)
			if err != nil {
				return false
			}
			if size > 8 && buffer[0] == kind && buffer[7] == number {
				return true
			}
		}
		return false
	}
	for _, kind := range []byte{135, 136} {
		n.apply(set)
		there := false
		for range 10 { // the phone may have to find the other again first
			if there = arrives(kind); there {
				break
			}
		}
		if !there {
			n.t.Errorf("a neighbour's message of type %d does not arrive", kind)
		}
		n.apply(without(set, []string{fmt.Sprintf(`^TUNIC-WIRE -d .*--icmpv6-type %d -j RETURN$`, kind)}))
		if arrives(kind) {
			n.t.Errorf("a neighbour's message of type %d does not depend on its rule", kind)
		}
	}
}
