package traffic

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Protocol numbers (IANA, "Assigned Internet Protocol Numbers").
const (
	ICMP   = 1
	IGMP   = 2
	TCP    = 6
	UDP    = 17
	IPv6   = 41 // in IPv4: 6in4 and 6to4
	GRE    = 47
	ESP    = 50
	ICMPv6 = 58
	SCTP   = 132
	Lite   = 136 // UDP-Lite
	Test   = 253 // RFC 3692: for experiments
)

// Flags of TCP segments (RFC 9293, section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// IP is one packet of either family; both addresses are of the same one.
type IP struct {
	From, To netip.Addr
	Protocol byte
	TTL      byte   // 0 means 64
	Fragment uint16 // IPv4 only: flags and offset in 8 bytes, as in the header
	Options  []byte // IPv4 only: a multiple of 4 bytes
	Payload  []byte
}

// Bytes returns the packet (RFC 791, RFC 8200).
func (p IP) Bytes() []byte {
	if p.TTL == 0 {
		p.TTL = 64
	}
	if p.From.Is4() {
		return p.bytes4()
	}
	head := make([]byte, 40)
	head[0] = 6 << 4
	binary.BigEndian.PutUint16(head[4:], uint16(len(p.Payload)))
	head[6], head[7] = p.Protocol, p.TTL
	copy(head[8:], p.From.AsSlice())
	copy(head[24:], p.To.AsSlice())
	return append(head, p.Payload...)
}

func (p IP) bytes4() []byte {
	head := make([]byte, 20, 20+len(p.Options)+len(p.Payload))
	head[0] = 4<<4 | byte(5+len(p.Options)/4)
	binary.BigEndian.PutUint16(head[2:], uint16(20+len(p.Options)+len(p.Payload)))
	binary.BigEndian.PutUint16(head[4:], 4711) // fragments of one datagram need one id
	binary.BigEndian.PutUint16(head[6:], p.Fragment)
	head[8], head[9] = p.TTL, p.Protocol
	copy(head[12:], p.From.AsSlice())
	copy(head[16:], p.To.AsSlice())
	return slices.Concat(head, p.Options, p.Payload)
}

// Datagram returns a UDP packet.
func Datagram(from, to netip.AddrPort, payload []byte) IP {
	udp := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(udp, from.Port())
	binary.BigEndian.PutUint16(udp[2:], to.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(payload)))
	udp = append(udp, payload...)
	p := IP{From: from.Addr(), To: to.Addr(), Protocol: UDP, Payload: udp}
	binary.BigEndian.PutUint16(udp[6:], p.checksum())
	return p
}

// Segment returns a TCP segment that belongs to no connection.
func Segment(from, to netip.AddrPort, flags byte) IP {
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp, from.Port())
	binary.BigEndian.PutUint16(tcp[2:], to.Port())
	binary.BigEndian.PutUint32(tcp[4:], 1000)
	tcp[12], tcp[13] = 5<<4, flags
	binary.BigEndian.PutUint16(tcp[14:], 1000)
	p := IP{From: from.Addr(), To: to.Addr(), Protocol: TCP, Payload: tcp}
	binary.BigEndian.PutUint16(tcp[16:], p.checksum())
	return p
}

// Echo returns a ping of the addresses' family.
func Echo(from, to netip.Addr) IP {
	request := byte(8) // RFC 792
	protocol := byte(ICMP)
	if from.Is6() {
		request, protocol = 128, ICMPv6 // RFC 4443, section 4.1
	}
	return Control(from, to, protocol, []byte{request, 0, 0, 0, 0, 1, 0, 1})
}

// Control returns an ICMP or ICMPv6 message; its checksum is filled in.
func Control(from, to netip.Addr, protocol byte, message []byte) IP {
	p := IP{From: from, To: to, Protocol: protocol, Payload: slices.Clone(message)}
	sum := p.checksum()
	if protocol == ICMP {
		sum = checksum(p.Payload) // the only one without a pseudo header
	}
	binary.BigEndian.PutUint16(p.Payload[2:], sum)
	return p
}

// checksum is that of the payload with the family's pseudo header (RFC 9293,
// section 3.1; RFC 8200, section 8.1).
func (p IP) checksum() uint16 {
	length := len(p.Payload)
	return checksum(slices.Concat(p.From.AsSlice(), p.To.AsSlice(), []byte{0, p.Protocol, byte(length >> 8), byte(length)}, p.Payload))
}

// checksum is the Internet's (RFC 1071).
func checksum(data []byte) uint16 {
	var sum uint32
	for i, b := range data {
		if i%2 == 0 {
			sum += uint32(b) << 8
		} else {
			sum += uint32(b)
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
