package onion

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ProxyVersion is a version of the PROXY protocol that a target asks for
// (haproxy.org, "The PROXY protocol", versions 1 and 2).
type ProxyVersion string

const (
	ProxyV1 ProxyVersion = "v1" // section 2.1: a line of text
	ProxyV2 ProxyVersion = "v2" // section 2.2: binary
)

// circuitNet holds the addresses that tor itself gives to circuits in its PROXY
// lines (tor(1), HiddenServiceExportCircuitID): programs that know of onions
// know it.
var circuitNet = netip.MustParseAddr("fc00:dead:beef:4dad::")

// CircuitAddr is the circuit as the source that targets see in a PROXY header.
func CircuitAddr(circuit uint32) netip.Addr {
	raw := circuitNet.As16()
	binary.BigEndian.PutUint32(raw[12:], circuit)
	return netip.AddrFrom16(raw)
}

// proxyHeader tells a target the circuit, as address and, as tor does, in the
// source port, and the virtual port that was dialled. It says that the target's
// own address is ::1: which address of the house it has is nobody's business.
func proxyHeader(v ProxyVersion, s Stream) []byte {
	src, dst := CircuitAddr(s.Circuit), netip.IPv6Loopback()
	if v == ProxyV1 {
		return fmt.Appendf(nil, "PROXY TCP6 %s %s %d %d\r\n", src, dst, uint16(s.Circuit), s.Port)
	}
	b := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24") // version 2, PROXY; TCP over IPv6; 36 bytes
	a, z := src.As16(), dst.As16()
	b = append(append(b, a[:]...), z[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(s.Circuit))
	return binary.BigEndian.AppendUint16(b, s.Port)
}
