package leaktest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"tunic/internal/lab/traffic"
)

// Class is one kind of traffic that a device can send.
type Class struct {
	ID     string
	Name   string
	Action string // what to do if it leaks

	packets func(from, to netip.Addr, nonce string) []traffic.IP // nil: an ordinary TCP connection
	only4   bool
}

const tell = "run `tunic status` and `tunic why`; if nothing there explains it, report it: this must not happen"

// classes are in the order in which they are sent. Each has destinations of its
// own, so a packet on the uplink says by itself which class it belongs to.
var classes = [...]Class{
	{ID: "tcp", Name: "TCP to a web server", Action: tell},
	{ID: "tcp-midstream", Name: "TCP in mid-stream, as after conntrack was flushed", Action: tell, packets: midStream},
	{ID: "udp", Name: "UDP", Action: tell, packets: datagram(4500)},
	{ID: "quic", Name: "QUIC (UDP 443)", Action: tell, packets: datagram(443)},
	{ID: "ntp", Name: "NTP to a server of the device's own", Action: tell, packets: datagram(123)},
	{ID: "stun", Name: "STUN (WebRTC)", Action: tell, packets: datagram(3478)},
	{ID: "dns", Name: "DNS to a resolver of the device's own", Action: tell, packets: question},
	{ID: "dns-tcp", Name: "DNS over TCP", Action: tell, packets: synTo(53)},
	{ID: "doq", Name: "DNS over QUIC (UDP 853)", Action: tell, packets: datagram(853)},
	{ID: "dot", Name: "DNS over TLS (TCP 853)", Action: tell, packets: synTo(853)},
	{ID: "ping", Name: "ICMP echo (ping)", Action: tell, packets: ping},
	{ID: "icmp-error", Name: "ICMP errors", Action: tell, packets: unreachable},
	{ID: "6in4", Name: "IPv6 in IPv4 (protocol 41)", Action: tell, packets: protocol(traffic.IPv6), only4: true},
	{ID: "gre", Name: "GRE (PPTP)", Action: tell, packets: protocol(traffic.GRE)},
	{ID: "esp", Name: "ESP (IPsec)", Action: tell, packets: protocol(traffic.ESP)},
	{ID: "sctp", Name: "SCTP", Action: tell, packets: protocol(traffic.SCTP)},
	{ID: "vpn", Name: "VPN over UDP (WireGuard, OpenVPN)", Action: tell, packets: vpn},
	{ID: "traceroute", Name: "traceroute (UDP with a short life)", Action: tell, packets: traceroute},
	{ID: "bittorrent", Name: "BitTorrent (UDP 6881)", Action: tell, packets: datagram(6881)},
	{ID: "ipip", Name: "IP in IP (protocol 4)", Action: tell, packets: protocol(4)},
	{ID: "protocol", Name: "a protocol that nobody knows (253)", Action: tell, packets: protocol(traffic.Test)},
	{ID: "spoofed", Name: "UDP with a source that is not the household's", Action: tell, packets: spoofed},
	{ID: "fragment", Name: "fragments without a beginning", Action: tell, packets: fragment, only4: true},
}

// Classes returns the kinds of traffic that are tried, in their order.
func Classes() []Class { return slices.Clone(classes[:]) }

// Destinations that belong to nobody: TEST-NET-1 (RFC 5737) and the newer
// documentation prefix (RFC 9637). The n-th class has the n-th address.
var (
	test4 = netip.MustParsePrefix("192.0.2.0/24")
	test6 = netip.MustParsePrefix("3fff:fed:7a1::/64")
)

const firstHost = 16

// target returns where the n-th class is sent to.
func target(n int, four bool) netip.Addr {
	if four {
		b := test4.Addr().As4()
		b[3] = byte(firstHost + n)
		return netip.AddrFrom4(b)
	}
	b := test6.Addr().As16()
	b[15] = byte(firstHost + n)
	return netip.AddrFrom16(b)
}

// classOf returns the number of the class that is sent to an address.
func classOf(to netip.Addr) (int, bool) {
	var last byte
	switch {
	case test4.Contains(to):
		last = to.As4()[3]
	case test6.Contains(to):
		last = to.As16()[15]
	default:
		return 0, false
	}
	n := int(last) - firstHost
	return n, n >= 0 && n < len(classes)
}

// send sends the n-th class from an address of the namespace that the process
// is in.
func send(ctx context.Context, n int, from netip.Addr, nonce string) error {
	c, to := classes[n], target(n, from.Is4())
	if c.packets == nil {
		return traffic.Host{}.Connect(ctx, netip.AddrPortFrom(to, 80).String())
	}
	var raw [][]byte
	for _, p := range c.packets(from, to, nonce) {
		raw = append(raw, p.Bytes())
	}
	if err := (traffic.Host{}).Send(raw...); err != nil {
		return fmt.Errorf("sending %s: %w", c.ID, err)
	}
	return nil
}

const sourcePort = 40404

func ends(from, to netip.Addr, port uint16) (a, b netip.AddrPort) {
	return netip.AddrPortFrom(from, sourcePort), netip.AddrPortFrom(to, port)
}

func datagram(port uint16) func(from, to netip.Addr, nonce string) []traffic.IP {
	return func(from, to netip.Addr, nonce string) []traffic.IP {
		a, b := ends(from, to, port)
		return []traffic.IP{traffic.Datagram(a, b, []byte(nonce))}
	}
}

func vpn(from, to netip.Addr, nonce string) []traffic.IP {
	return slices.Concat(datagram(51820)(from, to, nonce), datagram(1194)(from, to, nonce))
}

func midStream(from, to netip.Addr, _ string) []traffic.IP {
	a, b := ends(from, to, 443)
	return []traffic.IP{traffic.Segment(a, b, traffic.PSH|traffic.ACK), traffic.Segment(a, b, traffic.RST|traffic.ACK),
		traffic.Segment(a, b, traffic.FIN|traffic.ACK)}
}

func synTo(port uint16) func(from, to netip.Addr, nonce string) []traffic.IP {
	return func(from, to netip.Addr, _ string) []traffic.IP {
		a, b := ends(from, to, port)
		return []traffic.IP{traffic.Segment(a, b, traffic.SYN)}
	}
}

func ping(from, to netip.Addr, _ string) []traffic.IP {
	return []traffic.IP{traffic.Echo(from, to)}
}

// unreachable is an answer to a packet that never came.
func unreachable(from, to netip.Addr, nonce string) []traffic.IP {
	a, b := ends(from, to, 9)
	inner := traffic.Datagram(b, a, []byte(nonce)).Bytes()
	kind, proto := byte(3), byte(traffic.ICMP) // RFC 792: port unreachable
	code := byte(3)
	if from.Is6() {
		kind, code, proto = 1, 4, traffic.ICMPv6 // RFC 4443, section 3.1
	}
	return []traffic.IP{traffic.Control(from, to, proto, append([]byte{kind, code, 0, 0, 0, 0, 0, 0}, inner...))}
}

// traceroute lives for two hops: the box is the first.
func traceroute(from, to netip.Addr, nonce string) []traffic.IP {
	packets := datagram(33434)(from, to, nonce)
	packets[0].TTL = 2
	return packets
}

// spoofed has a source that belongs to nobody either (RFC 5737, RFC 9637).
func spoofed(from, to netip.Addr, nonce string) []traffic.IP {
	other := netip.MustParseAddr("198.51.100.7")
	if from.Is6() {
		other = netip.MustParseAddr("3fff:fed:7a2::7")
	}
	return datagram(4501)(other, to, nonce)
}

func protocol(number byte) func(from, to netip.Addr, nonce string) []traffic.IP {
	return func(from, to netip.Addr, nonce string) []traffic.IP {
		return []traffic.IP{{From: from, To: to, Protocol: number, Payload: append(make([]byte, 16), nonce...)}}
	}
}

func fragment(from, to netip.Addr, nonce string) []traffic.IP {
	const offset = 100 // in 8 bytes; the last fragment of something
	return []traffic.IP{{From: from, To: to, Protocol: traffic.UDP, Fragment: offset, Payload: []byte(nonce + "........")}}
}

// question asks for a name that nobody else ever asks for (RFC 1035, section
// 4.1), so that it is recognised also when somebody asks it on.
func question(from, to netip.Addr, nonce string) []traffic.IP {
	msg := binary.BigEndian.AppendUint16(nil, 0x7a1e)
	msg = append(msg, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0) // recursion desired, one question
	for _, label := range []string{nonce, "example", "com"} {
		msg = append(append(msg, byte(len(label))), label...)
	}
	msg = append(msg, 0, 0, 1, 0, 1) // A, IN
	a, b := ends(from, to, 53)
	return []traffic.IP{traffic.Datagram(a, b, msg)}
}
