package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Exception is something that the box itself may send outside Tor.
type Exception struct {
	Protocol uint8        // of IP: 6 is TCP, 17 UDP
	To       netip.Prefix // masked
	Port     uint16       // of TCP and UDP; 0 for the others
}

// IP protocol numbers that have ports.
const (
	protoTCP = 6
	protoUDP = 17
)

// protocols are the names that an exception may be written with
// (IANA, "Assigned Internet Protocol Numbers").
var protocols = map[string]uint8{
	"tcp": protoTCP, "udp": protoUDP, "igmp": 2, "ipip": 4, "6in4": 41, "gre": 47, "esp": 50, "ah": 51,
	"vrrp": 112, "l2tp": 115, "sctp": 132,
}

// String returns the exception as it is written: "udp://203.0.113.9:51820".
func (e Exception) String() string {
	to := e.To.String()
	if e.To.IsSingleIP() {
		to = e.To.Addr().String()
	}
	name := strconv.Itoa(int(e.Protocol))
	for n, number := range protocols {
		if number == e.Protocol {
			name = n
		}
	}
	if e.Port == 0 {
		return name + "://" + to
	}
	if e.To.Addr().Is6() {
		to = "[" + to + "]"
	}
	return fmt.Sprintf("%s://%s:%d", name, to, e.Port)
}

func readExceptions(t *table, g *Gateway) {
	t.texts("exceptions", func(path, text string) {
		e, p := parseException(text)
		g.Exceptions = addOnce(t, path, g.Exceptions, e, p)
	})
}

// parseException takes PROTOCOL://ADDRESS, with a port for TCP and UDP. A
// network can stand in place of the address, and a number for the protocol.
func parseException(text string) (Exception, *problem) {
	const hint = `write "udp://203.0.113.9:51820", "tcp://[2001:db8::1]:443" or "esp://198.51.100.0/24"`
	name, rest, ok := strings.Cut(text, "://")
	if !ok {
		return Exception{}, problemf(hint, "%q does not say which protocol it is for", text)
	}
	e := Exception{Protocol: protocols[strings.ToLower(name)]}
	if number, err := strconv.ParseUint(name, 10, 8); err == nil {
		e.Protocol = uint8(number)
	}
	if e.Protocol == 0 || e.Protocol == 1 || e.Protocol == 58 {
		return Exception{}, problemf(hint, "%q is not a protocol that can be excepted", name)
	}
	if e.Protocol == protoTCP || e.Protocol == protoUDP {
		i := strings.LastIndex(rest, ":")
		port, err := strconv.ParseUint(rest[i+1:], 10, 16)
		if i < 0 || err != nil || port == 0 || strings.Count(rest, ":") > 1 && !strings.Contains(rest, "]:") {
			return Exception{}, problemf(hint, "%q has no port, 1 to 65535", text)
		}
		e.Port, rest = uint16(port), rest[:i]
	}
	var p *problem
	if e.To, p = parseNetwork(strings.Trim(rest, "[]")); p != nil {
		return Exception{}, p
	}
	if a := e.To.Addr(); a.IsLoopback() || a.IsUnspecified() {
		return Exception{}, problemf(hint, "%q never leaves the box", rest)
	}
	return e, nil
}
