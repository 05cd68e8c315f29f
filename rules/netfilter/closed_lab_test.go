//go:build lab

package netfilter

import (
	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// closedShots are those of a closed household with a guest.
func closedShots() []shot {
	return []shot{
		tcp("phone", "internet", 80, "refused"), udp("phone", "internet", 53, "refused"), tcp("phone", "nas", 80, "refused"),
		tcp("laptop", "internet", 80, "refused"),
		tcp("phone", "box", 22, "ssh $phone"), tcp("phone", "box", 9240, "refused"), tcp("internet", "gateway", 22, "ssh $internet"),
		tcp("internet", "gateway", 2222, "silence"),
		tcp("camera", "internet", 80, "silence"),
		tcp("guest", "internet", 80, "internet $guest/outside"), tcp("guest", "nas", 80, "refused"), tcp("guest", "virtual", 80, "refused"),
		udp("guest", "nas", 53, "internet $guest/outside"), tcp("guest", "nas", 53, "internet $guest/outside"),
		raw("a reset to a stranger", "phone", "", "wan", ` > $stranger protocol 6 `, "nothing",
			segment("stranger", "internet", 80, traffic.SYN)),
		raw("a link's address is refused", "phone", "", "lan", `> $neighbour protocol 6 ports 80 > 40000 flags 0x.4`, "seen",
			segment("neighbour", "internet", 80, traffic.SYN)).only(rules.IPv6).before(),
		call{network: "tcp", from: "guest", source: "guest/local", to: "nas/local", port: 80}.shot("refused").only(rules.IPv6),
		raw("a guest in mid-stream", "guest", "", "wan", ` > $internet protocol 6 ports 40000 > 80 flags 0x18`, "nothing",
			segment("guest", "internet", 80, traffic.PSH|traffic.ACK)),
		tcp("gateway", "internet", 80, "tor $gateway"), as(971, "tcp", "internet", 80, "internet $gateway"),
	}
}

// servedShots are those of what is served while the household is closed: to everybody at
// home who is not blocked, at the box's own addresses, and never by dialling its port.
func servedShots() (shots []shot) {
	for _, port := range []struct {
		network string
		public  uint16
		hidden  uint16
		says    string
	}{{"tcp", 80, 9384, "page"}, {"tcp", 53, 9355, "closeddns"}, {"udp", 53, 9355, "closeddns"}} {
		dial := func(source, to string, port uint16, want string, network string) shot {
			return call{network: network, from: "phone", source: source, to: to, port: port}.shot(want).only(rules.IPv6)
		}
		shots = append(shots,
			call{network: port.network, from: "phone", to: "box", port: port.public}.shot(port.says+" $phone"),
			dial("phone/local", "box/local", port.public, port.says+" $phone/local", port.network),
			dial("neighbour", "box/link", port.public, port.says+" $neighbour", port.network),
			call{network: port.network, from: "phone", to: "box", port: port.hidden}.shot("refused"))
	}
	return append(shots, tcp("tv", "box", 80, "web $tv"), tcp("internet", "gateway", 80, "silence"),
		tcp("internet", "gateway", 9384, "silence"), tcp("camera", "box", 80, "silence"))
}

func bootingShots() []shot {
	return []shot{
		tcp("phone", "internet", 80, "silence"), udp("phone", "internet", 53, "silence"), tcp("phone", "nas", 80, "silence"),
		tcp("laptop", "internet", 80, "silence"),
		tcp("phone", "box", 22, "ssh $phone"), tcp("internet", "gateway", 2222, "silence"), tcp("internet", "phone", 80, "silence"),
		udp("gateway", "internet", 443, "denied"),
		raw("a connection to the phone", "internet", "", "lan", `^$internet > $phone protocol 6 ports 40000 > 4012 `, "nothing",
			segment("internet", "phone", 4012, traffic.SYN)),
	}
}

func earlyShots() []shot {
	return []shot{
		tcp("phone", "internet", 80, "silence"), udp("phone", "internet", 443, "silence"), tcp("phone", "nas", 80, "silence"),
		tcp("internet", "phone", 80, "silence"),
		near("ten", 4031), near("private", 4032),
		raw("a datagram before anything is known", "phone", "", "wan", ` > $internet protocol 17 ports .* > 4030`, "nothing",
			datagram("phone", "internet", 40000, 4030)),
		tcp("phone", "box", 22, "ssh $phone").only(rules.IPv4), tcp("phone", "box", 22, "silence").only(rules.IPv6),
		tcp("internet", "gateway", 22, "silence"), tcp("phone", "box", 9240, "silence"),
		call{network: "tcp", from: "phone", source: "phone/local", to: "box/local", port: 22}.shot("ssh $phone/local").only(rules.IPv6),
		call{network: "tcp", from: "phone", source: "neighbour", to: "box/link", port: 22}.shot("ssh $neighbour"),
	}
}
