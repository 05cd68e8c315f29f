package traffic

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

var (
	one4, two4 = netip.MustParseAddrPort("192.0.2.1:1234"), netip.MustParseAddrPort("192.0.2.2:80")
	one6, two6 = netip.MustParseAddrPort("[2001:db8::1]:1234"), netip.MustParseAddrPort("[2001:db8::2]:80")
)

// A sum over a packet with its checksum in place is zero.
func TestChecksums(t *testing.T) {
	for name, p := range map[string]IP{
		"datagram":        Datagram(one4, two4, []byte("odd")),
		"IPv6 datagram":   Datagram(one6, two6, []byte("even")),
		"segment":         Segment(one4, two4, SYN|FIN),
		"IPv6 segment":    Segment(one6, two6, RST|ACK),
		"IPv6 echo":       Echo(one6.Addr(), two6.Addr()),
		"IPv6 unassigned": Control(one6.Addr(), two6.Addr(), ICMPv6, []byte{200, 0, 0, 0}),
	} {
		if sum := p.checksum(); sum != 0 {
			t.Errorf("%s: the sum is %#x", name, sum)
		}
	}
	if sum := checksum(Echo(one4.Addr(), two4.Addr()).Payload); sum != 0 {
		t.Errorf("echo: the sum is %#x", sum)
	}
}

func TestHeaders(t *testing.T) {
	p := IP{From: one4.Addr(), To: two4.Addr(), Protocol: GRE, Fragment: 0x2001, Options: []byte{1, 1, 1, 0}, Payload: []byte("abc")}
	four, err := ipv4.ParseHeader(p.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if four.Src.String() != "192.0.2.1" || four.Dst.String() != "192.0.2.2" || four.Protocol != GRE || four.TotalLen != 27 ||
		four.Flags != ipv4.MoreFragments || four.FragOff != 1 || four.TTL != 64 || !bytes.Equal(four.Options, p.Options) {
		t.Errorf("IPv4: %+v", four)
	}
	six, err := ipv6.ParseHeader(IP{From: one6.Addr(), To: two6.Addr(), Protocol: SCTP, TTL: 3, Payload: []byte("abc")}.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if six.Src.String() != "2001:db8::1" || six.Dst.String() != "2001:db8::2" || six.NextHeader != SCTP || six.PayloadLen != 3 ||
		six.HopLimit != 3 {
		t.Errorf("IPv6: %+v", six)
	}
}

func TestEchoIsAPing(t *testing.T) {
	for protocol, p := range map[int]IP{ICMP: Echo(one4.Addr(), two4.Addr()), ICMPv6: Echo(one6.Addr(), two6.Addr())} {
		m, err := icmp.ParseMessage(protocol, p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if m.Type != ipv4.ICMPTypeEcho && m.Type != ipv6.ICMPTypeEchoRequest {
			t.Errorf("protocol %d: %v", protocol, m.Type)
		}
	}
}
