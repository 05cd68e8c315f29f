package lab

import (
	"fmt"
	"strings"
)

// SentFilter is a BPF expression for the packets that left the gateway on its
// uplink. A packet counts as the gateway's unless its hardware address is that
// of another node: an address that was made up counts as well.
func (p Plan) SentFilter(gateway string) string {
	others := []string{"ether src " + markerMAC}
	for _, n := range p.Nodes {
		if n.Name != gateway && n.Uplink.MAC != "" && n.Role != Device {
			others = append(others, "ether src "+n.Uplink.MAC)
		}
	}
	return "not (" + strings.Join(others, " or ") + ")"
}

// TorFilter is a BPF expression for what the gateway's tor sends: TCP from one
// of the gateway's own addresses to a port of the Tor network. A device's
// packet to the same port, with the device's address, is not covered. Beside a
// router the gateway has its addresses of the household alone.
func (p Plan) TorFilter(gateway string) string {
	var own, or, dir []string
	if n, err := p.Node(gateway); err == nil {
		addrs := n.Uplink.Addrs
		if n.Beside {
			addrs = n.LAN.Addrs
		}
		for _, a := range addrs {
			own = append(own, fmt.Sprintf("src host %s", a.Addr()))
		}
	}
	for _, r := range TorRelays() {
		or = append(or, fmt.Sprintf("dst host %s or dst host %s", r.Addr4, r.Addr6))
		if r.Authority {
			dir = append(dir, fmt.Sprintf("dst host %s", r.Addr4))
		}
	}
	return fmt.Sprintf("(%s) and ((tcp dst port %d and (%s)) or (tcp dst port %d and (%s)))",
		strings.Join(own, " or "), ORPort, strings.Join(or, " or "), DirPort, strings.Join(dir, " or "))
}

// neighbourFilter is what every IPv6 host says to its own link: router and
// neighbour discovery (RFC 4861), and multicast listener reports (RFC 3810),
// which come behind a hop-by-hop header.
const neighbourFilter = "(icmp6 and ip6[40] >= 133 and ip6[40] <= 136) or " +
	"(ip6[6] == 0 and ip6[40] == 58 and (ip6[48] == 131 or ip6[48] == 132 or ip6[48] == 143))"

// ForeignFilter is a BPF expression for what must not be: packets that left
// the gateway on its uplink and are neither Tor nor the link's own business
// (ARP, neighbour discovery). A gateway that leaks nothing has none. What the
// router says itself that a gateway is beside is not the gateway's.
func (p Plan) ForeignFilter(gateway string) string {
	sent := p.SentFilter(gateway)
	if n, err := p.Node(gateway); err == nil && n.Beside {
		for _, a := range n.Uplink.Addrs {
			sent += fmt.Sprintf(" and not src host %s", a.Addr())
		}
	}
	return fmt.Sprintf("(%s) and not arp and not (%s) and not (%s)", sent, p.TorFilter(gateway), neighbourFilter)
}
