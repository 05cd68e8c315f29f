package leaktest

import (
	"bytes"
	"net/netip"
)

// seen is what one look at a packet tells.
type seen struct {
	class int  // -1: none
	own   bool // it has the guest's address as its source
	name  bool // it holds the nonce
}

// look reads the addresses of an IP packet (RFC 791, RFC 8200) and looks for
// the nonce in all of it. Packets on an uplink come from anybody: what is too
// short or of another version is nobody's.
func look(packet []byte, guest []netip.Addr, nonce string) seen {
	s := seen{class: -1, name: nonce != "" && bytes.Contains(packet, []byte(nonce))}
	var from, to netip.Addr
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		from, to = netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20]))
	case len(packet) >= 40 && packet[0]>>4 == 6:
		from, to = netip.AddrFrom16([16]byte(packet[8:24])), netip.AddrFrom16([16]byte(packet[24:40]))
	default:
		return s
	}
	for _, a := range guest {
		s.own = s.own || a == from
	}
	if n, ok := classOf(to); ok {
		s.class = n
	}
	return s
}
