//go:build lab

package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// Addresses of the network: phone - lan1 [gateway] wan0 - internet, and nas on lan2.
const (
	phone4, phone6       = "192.168.77.10", "2001:db8:77::10"
	phoneULA             = "fd77::10"
	nas4, nas6           = "192.168.78.20", "2001:db8:78::20"
	gateway4, gateway6   = "203.0.113.2", "2001:db8:1::2"
	internet4, internet6 = "203.0.113.1", "2001:db8:1::1"
	stranger4, stranger6 = "198.51.100.7", "2001:db8:bad::7" // sources that the phone has no right to
	phoneMAC             = "02:00:00:00:77:10"
)

// network is a household of two networks with a gateway and the internet.
type network struct {
	t                             testing.TB
	phone, nas, gateway, internet *node
	kernel                        *Kernel
	wan                           *capture        // what arrives in the internet
	current                       rules.Ruleset   // applied last
	razed                         bool            // without the second wall
	far                           <-chan net.Conn // what the server in the internet accepted
}

func newNetwork(t testing.TB) *network { return newNamedNetwork(t, "") }

// newNamedNetwork is for tests that have several.
func newNamedNetwork(t testing.TB, name string) *network {
	t.Helper()
	n := newUnwatched(t, name)
	n.wan = n.internet.captureOn("eth0")
	return n
}

// newUnwatched is a network in which nothing captures, so that it can be measured: a
// capture copies all that arrives.
func newUnwatched(t testing.TB, name string) *network {
	t.Helper()
	n := &network{t: t, phone: newNode(t, name+"phone"), nas: newNode(t, name+"nas"), gateway: newNode(t, name+"gw"),
		internet: newNode(t, name+"wan")}
	n.wire(n.phone, "lan1", "192.168.77.1/24", "2001:db8:77::1/64")
	n.wire(n.nas, "lan2", "192.168.78.1/24", "2001:db8:78::1/64")
	n.wire(n.internet, "wan0", gateway4+"/24", gateway6+"/64")
	n.gateway.ip("addr add fd77::1/64 dev lan1 nodad")
	n.phone.ip("link set eth0 address " + phoneMAC)
	n.host(n.phone, phone4+"/24", phone6+"/64", "192.168.77.1", "2001:db8:77::1")
	n.phone.ip("addr add " + phoneULA + "/64 dev eth0 nodad")
	n.phone.ip("addr add " + stranger4 + "/32 dev eth0")
	n.phone.ip("addr add " + stranger6 + "/128 dev eth0 nodad")
	n.host(n.nas, nas4+"/24", nas6+"/64", "192.168.78.1", "2001:db8:78::1")
	n.host(n.internet, internet4+"/24", internet6+"/64", gateway4, gateway6)
	n.gateway.ip("route add default via " + internet4)
	n.gateway.ip("-6 route add default via " + internet6)
	for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		n.gateway.set(name, "1")
	}
	n.gateway.set("ipv4/conf/all/rp_filter", "0")
	n.kernel = n.gateway.kernel()
	return n
}

// wire connects the node's eth0 with an interface of the gateway.
func (n *network) wire(to *node, name, addr4, addr6 string) {
	n.t.Helper()
	n.gateway.ip(fmt.Sprintf("link add %s type veth peer name eth0 netns %s", name, to.name))
	n.gateway.set("ipv4/conf/"+name+"/rp_filter", "0")
	n.gateway.ip("link set " + name + " up")
	n.gateway.ip("addr add " + addr4 + " dev " + name)
	n.gateway.ip("addr add " + addr6 + " dev " + name + " nodad")
}

func (n *network) host(h *node, addr4, addr6, via4, via6 string) {
	n.t.Helper()
	h.ip("link set eth0 up")
	h.ip("addr add " + addr4 + " dev eth0")
	h.ip("addr add " + addr6 + " dev eth0 nodad")
	h.ip("route add default via " + via4)
	h.ip("-6 route add default via " + via6)
}

func (n *network) apply(set rules.Ruleset) {
	n.t.Helper()
	n.gateway.apply(n.kernel, set)
	n.current = set
	if n.razed {
		n.raze()
	}
}

// raze takes the second wall away until rules are applied again, to see what
// the first one holds alone.
func (n *network) raze() {
	n.t.Helper()
	n.gateway.do(func() {
		if err := removeWall(); err != nil {
			n.t.Error(err)
		}
	})
}

// accepted returns the newest connection that the server in the internet has, or nil if none comes.
func (n *network) accepted() net.Conn {
	var last net.Conn
	for wait := busy; ; wait = settle {
		select {
		case last = <-n.far:
		case <-time.After(wait):
			return last
		}
	}
}

// flush forgets all connections, as somebody's "conntrack -F" does.
func (n *network) flush() { n.t.Helper(); n.gateway.run("conntrack -F") }

// cut deletes the connections of a policy that were not opened from those
// addresses.
func (n *network) cut(p rules.Policy, but ...string) {
	n.t.Helper()
	var count int
	var err error
	doomed := func(mark uint32, from netip.Addr) bool {
		return mark&rules.MarkMask == p.Mark() && !slices.Contains(but, from.String())
	}
	n.gateway.do(func() { count, err = n.kernel.CutFlows(n.t.Context(), doomed) })
	if err != nil || count == 0 {
		n.t.Errorf("%d connections with policy %v cut: %v", count, p, err)
	}
}

// server accepts on a node and hands over each connection.
func (n *node) server(address string) <-chan net.Conn {
	n.t.Helper()
	var l net.Listener
	var err error
	n.do(func() { l, err = net.Listen("tcp", address) })
	if err != nil {
		n.t.Fatal(err)
	}
	conns := make(chan net.Conn, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(conns)
				return
			}
			conns <- c
		}
	}()
	n.t.Cleanup(func() {
		l.Close()
		for c := range conns {
			c.Close()
		}
	})
	return conns
}

// echo answers datagrams to a port, on all addresses, with the address that it
// sees.
func (n *node) echo(port string) { n.t.Helper(); n.echoAs("", port) }

// echoAs does the same, with a name before the address.
func (n *node) echoAs(name, port string) { n.t.Helper(); n.echoBy(0, name, port) }

// echoBy does it as a user of the node.
func (n *node) echoBy(uid int, name, port string) {
	n.t.Helper()
	err := traffic.Host{Namespace: n.name, UID: uid}.Do(func() error {
		four, err := net.ListenPacket("udp4", port)
		if err != nil {
			return err
		}
		six, err := net.ListenPacket("udp6", port)
		if err != nil {
			return errors.Join(err, four.Close())
		}
		n.t.Cleanup(func() { four.Close(); six.Close() })
		p4, p6 := ipv4.NewPacketConn(four), ipv6.NewPacketConn(six)
		if err := errors.Join(p4.SetControlMessage(ipv4.FlagDst, true), p6.SetControlMessage(ipv6.FlagDst, true)); err != nil {
			return err
		}
		go echo4(p4, name) // what it reads says its destination from the first on
		go echo6(p6, name)
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// echo4 answers from the address that was asked: the system would choose any
// of its own, and an answer from another than REDIRECT has chosen is no answer.
func echo4(conn *ipv4.PacketConn, name string) {
	for {
		_, control, from, err := conn.ReadFrom(make([]byte, 100))
		if err != nil {
			return
		}
		if _, err := conn.WriteTo([]byte(name+from.String()), &ipv4.ControlMessage{Src: control.Dst}, from); err != nil {
			continue // refused by a rule: whoever asked sees it
		}
	}
}

func echo6(conn *ipv6.PacketConn, name string) {
	for {
		_, control, from, err := conn.ReadFrom(make([]byte, 100))
		if err != nil {
			return
		}
		if _, err := conn.WriteTo([]byte(name+from.String()), &ipv6.ControlMessage{Src: control.Dst}, from); err != nil {
			continue
		}
	}
}

// dial tries to open a connection from the node that must not come about, or need not, for half a second.
func (n *node) dial(network, address, from string) (net.Conn, error) {
	n.t.Helper()
	return n.dialFor(500*time.Millisecond, network, address, from)
}

// reach opens a connection from the node that has to come about, however busy the machine is.
func (n *node) reach(network, address, from string) (net.Conn, error) {
	n.t.Helper()
	return n.dialFor(busy, network, address, from)
}

// busy is how long what has to happen may take on a machine that does much else.
const busy = 30 * time.Second

func (n *node) dialFor(limit time.Duration, network, address, from string) (net.Conn, error) {
	n.t.Helper()
	dialer := net.Dialer{Timeout: limit}
	if from != "" {
		ip := net.ParseIP(from)
		switch network {
		case "tcp":
			dialer.LocalAddr = &net.TCPAddr{IP: ip}
		case "udp":
			dialer.LocalAddr = &net.UDPAddr{IP: ip}
		}
	}
	var c net.Conn
	var err error
	n.do(func() { c, err = dialer.DialContext(n.t.Context(), network, address) })
	if err == nil {
		n.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// udp sends a datagram; its answer is of no interest.
func (n *node) udp(address, from string) {
	n.t.Helper()
	c, err := n.dial("udp", address, from)
	if err != nil {
		n.t.Error(err)
		return
	}
	// A refusal at once is as good as a datagram that is lost on the way.
	if _, err := c.Write([]byte("hello")); err != nil {
		n.t.Logf("sending to %s: %v", address, err)
	}
}

// raw sends one packet of any protocol; the system makes its IP header.
func (n *node) raw(protocol int, to string, payload []byte) {
	n.t.Helper()
	addr := netip.MustParseAddr(to)
	family, sockaddr := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{})
	if addr.Is4() {
		sockaddr = &unix.SockaddrInet4{Addr: addr.As4()}
	} else {
		family, sockaddr = unix.AF_INET6, &unix.SockaddrInet6{Addr: addr.As16()}
	}
	n.do(func() {
		fd, err := unix.Socket(family, unix.SOCK_RAW, protocol)
		if err != nil {
			n.t.Error(err)
			return
		}
		defer unix.Close(fd)
		if err := unix.Sendto(fd, payload, 0, sockaddr); err != nil {
			n.t.Logf("sending protocol %d to %s: %v", protocol, to, err)
		}
	})
}

// ping sends an echo request.
func (n *node) ping(to string) {
	n.t.Helper()
	if netip.MustParseAddr(to).Is6() {
		n.raw(unix.IPPROTO_ICMPV6, to, []byte{128, 0, 0, 0, 0, 1, 0, 1}) // the kernel fills in the checksum
		return
	}
	n.raw(unix.IPPROTO_ICMP, to, []byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1})
}

// segment sends one TCP segment that belongs to no connection of the node's.
func (n *node) segment(from, to string, flags byte) {
	n.t.Helper()
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp, 40001)
	binary.BigEndian.PutUint16(tcp[2:], 80)
	binary.BigEndian.PutUint32(tcp[4:], 1000)
	tcp[12], tcp[13] = 5<<4, flags
	binary.BigEndian.PutUint16(tcp[14:], 1000)
	binary.BigEndian.PutUint16(tcp[16:], checksum(from, to, tcp))
	n.raw(unix.IPPROTO_TCP, to, tcp)
}

// checksum is that of RFC 9293 with the pseudo header of the family.
func checksum(from, to string, tcp []byte) uint16 {
	data := slices.Concat(netip.MustParseAddr(from).AsSlice(), netip.MustParseAddr(to).AsSlice(), []byte{0, 6, 0, byte(len(tcp))}, tcp)
	var sum uint32
	for i := 0; i < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
