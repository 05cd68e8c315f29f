//go:build lab

package netfilter

import (
	"net/netip"
	"time"

	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// segment, and those below, are packets by the names of where they come from and go to.
func segment(from, to string, port uint16, flags byte) func(ends) []traffic.IP {
	return func(e ends) []traffic.IP {
		return []traffic.IP{traffic.Segment(netip.AddrPortFrom(netip.MustParseAddr(e.at(from)), 40000),
			netip.AddrPortFrom(netip.MustParseAddr(e.at(to)), port), flags)}
	}
}

func datagram(from, to string, source, port uint16) func(ends) []traffic.IP {
	return func(e ends) []traffic.IP {
		return []traffic.IP{traffic.Datagram(netip.AddrPortFrom(netip.MustParseAddr(e.at(from)), source),
			netip.AddrPortFrom(netip.MustParseAddr(e.at(to)), port), []byte("hello"))}
	}
}

func packet(from, to string, protocol byte) func(ends) []traffic.IP {
	return func(e ends) []traffic.IP {
		return []traffic.IP{{From: netip.MustParseAddr(e.at(from)), To: netip.MustParseAddr(e.at(to)), Protocol: protocol,
			Payload: make([]byte, 40)}}
	}
}

func echo(from, to string) func(ends) []traffic.IP {
	return func(e ends) []traffic.IP {
		return []traffic.IP{traffic.Echo(netip.MustParseAddr(e.at(from)), netip.MustParseAddr(e.at(to)))}
	}
}

// control is an ICMP message of the family's type.
func control(from, to string, type4, type6 byte) func(ends) []traffic.IP {
	return func(e ends) []traffic.IP {
		kind, protocol := type4, byte(traffic.ICMP)
		if e.family == rules.IPv6 {
			kind, protocol = type6, traffic.ICMPv6
		}
		return []traffic.IP{traffic.Control(netip.MustParseAddr(e.at(from)), netip.MustParseAddr(e.at(to)), protocol,
			append([]byte{kind, 1, 0, 0}, make([]byte, 28)...))}
	}
}

// redirect has the box tell the phone of another router for what it has just
// sent (RFC 792, RFC 4861 section 4.5).
func redirect() shot {
	sent := datagram("phone", "nas", 40000, 4009)
	first := raw("", "phone", "", "lan", "", "", sent)
	then := raw("a redirect to the phone", "gateway", "", "lan", `^$box > $phone protocol (1 type 5/|58 type 137/)`, "nothing",
		func(e ends) []traffic.IP {
			message := append([]byte{5, 1, 0, 0, 192, 168, 77, 254}, sent(e)[0].Bytes()...)
			protocol := byte(traffic.ICMP)
			if e.family == rules.IPv6 {
				message, protocol = append([]byte{137, 0, 0, 0}, make([]byte, 36)...), traffic.ICMPv6
			}
			return []traffic.IP{traffic.Control(netip.MustParseAddr(e.at("box")), netip.MustParseAddr(e.at("phone")), protocol, message)}
		})
	fire := then.fire
	then.fire = func(h *house, e ends) func() string {
		first.fire(h, e)
		time.Sleep(settle)
		return fire(h, e)
	}
	return then
}

func dhcp(e ends) []traffic.IP {
	if e.family == rules.IPv6 {
		return datagram("gateway", "granted", 546, 547)(e)
	}
	return datagram("gateway", "granted", 68, 67)(e)
}
