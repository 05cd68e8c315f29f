package lab

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

// packet is one Ethernet frame of a made-up capture.
type packet struct {
	name    string
	frame   []byte
	foreign bool // ForeignFilter has to match
}

// frame returns an Ethernet frame from the node called from, or from a
// hardware address if there is a colon in it.
func frame(t *testing.T, p Plan, from string, etherType uint16, payload []byte) []byte {
	t.Helper()
	if !strings.Contains(from, ":") {
		n, err := p.Node(from)
		if err != nil {
			t.Fatal(err)
		}
		from = n.Uplink.MAC
	}
	mac, err := net.ParseMAC(from)
	if err != nil {
		t.Fatal(err)
	}
	f := append(bytes.Repeat([]byte{0xff}, 6), mac...)
	return append(binary.BigEndian.AppendUint16(f, etherType), payload...)
}

// ip4 and ip6 return packets of a protocol to a port, or with an ICMP type in
// the first byte of data.
func ip4(src, dst string, protocol byte, data []byte) []byte {
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(data)))
	copy(h[12:], netip.MustParseAddr(src).AsSlice())
	copy(h[16:], netip.MustParseAddr(dst).AsSlice())
	return append(h, data...)
}

func ip6(src, dst string, next byte, data []byte) []byte {
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(h[4:], uint16(len(data)))
	copy(h[8:], netip.MustParseAddr(src).AsSlice())
	copy(h[24:], netip.MustParseAddr(dst).AsSlice())
	return append(h, data...)
}

// to is a TCP SYN, good enough for UDP too.
func to(port uint16) []byte {
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h, 40000)
	binary.BigEndian.PutUint16(h[2:], port)
	h[12], h[13] = 0x50, 2
	return h
}

func testPackets(t *testing.T, p Plan) []packet {
	const tcp, udp, icmp, icmp6, sit, hopByHop = 6, 17, 1, 58, 41, 0
	const v4, v6, arp = 0x0800, 0x86dd, 0x0806
	mld := append([]byte{icmp6, 0, 5, 2, 0, 0, 1, 0, 143}, make([]byte, 19)...)
	gw := func(etherType uint16, payload []byte) []byte { return frame(t, p, "gateway", etherType, payload) }
	return []packet{
		{"tor to an exit", gw(v4, ip4("203.0.113.100", "203.0.113.11", tcp, to(ORPort))), false},
		{"tor to an exit, IPv6", gw(v6, ip6("2001:db8::100", "2001:db8::14", tcp, to(ORPort))), false},
		{"tor to an authority's directory", gw(v4, ip4("203.0.113.100", "203.0.113.1", tcp, to(DirPort))), false},
		{"ARP", gw(arp, make([]byte, 28)), false},
		{"neighbour solicitation", gw(v6, ip6("fe80::1", "ff02::1:ff00:1", icmp6, append([]byte{135}, make([]byte, 23)...))), false},
		{"multicast listener report", gw(v6, ip6("fe80::1", "ff02::16", hopByHop, mld)), false},
		{"somebody else's packet", frame(t, p, "internet", v4, ip4("203.0.113.80", "203.0.113.100", udp, to(7))), false},
		{"another gateway's leak", frame(t, p, "friend", v4, ip4("203.0.113.101", "203.0.113.80", udp, to(7))), false},

		{"a device talks to a relay itself", gw(v4, ip4("192.168.77.10", "203.0.113.11", tcp, to(ORPort))), true},
		{"UDP to a relay's port", gw(v4, ip4("203.0.113.100", "203.0.113.11", udp, to(ORPort))), true},
		{"another port of a relay", gw(v4, ip4("203.0.113.100", "203.0.113.11", tcp, to(80))), true},
		{"an exit's address, directory port", gw(v4, ip4("203.0.113.100", "203.0.113.11", tcp, to(DirPort))), true},
		{"web", gw(v4, ip4("203.0.113.100", "203.0.113.80", tcp, to(80))), true},
		{"web, IPv6", gw(v6, ip6("2001:db8:77::10", "2001:db8::80", tcp, to(80))), true},
		{"DNS", gw(v4, ip4("203.0.113.100", "8.8.8.8", udp, to(53))), true},
		{"ping", gw(v4, ip4("203.0.113.100", "203.0.113.80", icmp, []byte{8, 0, 0, 0})), true},
		{"ping, IPv6", gw(v6, ip6("2001:db8::100", "2001:db8::80", icmp6, []byte{128, 0, 0, 0, 0, 0, 0, 0})), true},
		{"tunnel", gw(v4, ip4("203.0.113.100", "203.0.113.80", sit, ip6("::1", "::1", tcp, to(80)))), true},
		{"a made-up hardware address", frame(t, p, "02:aa:aa:aa:aa:aa", v4, ip4("203.0.113.100", "203.0.113.80", udp, to(7))), true},
		{"an unknown Ethernet type", gw(0x88b6, make([]byte, 46)), true},
	}
}

// pcap writes one packet as a capture file (draft-ietf-opsawg-pcap).
func pcap(frame []byte) []byte {
	var b []byte
	for _, v := range []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, snapLength, 1, 0, 0, uint32(len(frame)), uint32(len(frame))} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, frame...)
}

func matches(t *testing.T, filter string, frame []byte) bool {
	t.Helper()
	cmd := exec.Command("tcpdump", "-r", "-", "-nn", "-t", withoutMarkers(filter))
	cmd.Stdin = bytes.NewReader(pcap(frame))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running tcpdump (package tcpdump): %v: %s\nfilter: %s", err, stderr.String(), filter)
	}
	return len(packetLines(string(out))) > 0
}

func TestForeignFilter(t *testing.T) {
	p := mustPlan(t, "x", 3)
	for _, c := range testPackets(t, p) {
		if got := matches(t, p.ForeignFilter("gateway"), c.frame); got != c.foreign {
			t.Errorf("%s: foreign %v, want %v", c.name, got, c.foreign)
		}
	}
}

func TestMarkersAreNotCounted(t *testing.T) {
	p := mustPlan(t, "x", 2)
	if matches(t, "", frame(t, p, markerMAC, markerType, make([]byte, 46))) {
		t.Error("a marker is counted")
	}
}
