//go:build lab

package netfilter

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// setting is one configuration in one cabling, with what devices, the box and
// the internet send there.
type setting struct {
	name  string
	build func(testing.TB) *house
	input rules.Input
	shots []shot
	tries string // an expression for the rules that are tried there; "": all

	emptied bool // whether all tables but mangle are empty
}

func settings() []setting {
	direct := openHouse()
	direct.OwnTor, direct.OwnDNS, direct.OwnTime = false, 0, 0
	closed := openHouse()
	closed.Mode = rules.Lockdown
	closed.Services = append(slices.Clone(closed.Services), rules.Service{Name: "page", Public: 80, Internal: 9384, When: rules.Always},
		rules.Service{Name: "closed-dns", UDP: true, Public: 53, Internal: 9355, When: rules.WhileClosed})
	booting := closed
	booting.Prefixes, booting.Guests = nil, nil
	named := openHouse() // as when the interface got another name
	named.Interfaces, named.Group = []string{"lan0"}, houseGroup
	lost := named // and is not in the group yet
	lost.Group = houseGroup + 1
	two := openHouse()
	two.Interfaces = []string{"lan1", "lan2"}
	two.Prefixes = append(two.Prefixes, netip.MustParsePrefix("192.168.78.0/24"), netip.MustParsePrefix("2001:db8:78::/64"))
	other := openHouse()
	other.Others = []string{"lan2"}
	mixed := two // one goes by its name, and one by its group
	mixed.Interfaces, mixed.Group = []string{"lan1", "lan9"}, houseGroup
	return []setting{
		{"open, the box's own traffic through Tor", newHouse, openHouse(), slices.Concat(openShots(), unnamedShots()), "", false},
		{"open, the box's own traffic direct", newHouse, direct, slices.Concat(directBoxShots(), orphanShots()), "", false},
		{"closed", newHouse, closed, slices.Concat(closedShots(), servedShots(), orphanShots()), "", false},
		{"closed, the household's addresses not known yet", newHouse, booting, bootingShots(), "", false},
		{"closed, nothing known", newHouse,
			rules.Input{OwnTor: true, OwnDNS: 9354, Carriers: []rules.Carrier{{TransPort: 9240, DNSPort: 9253}}}, earlyShots(), "", false},
		{"open, beside the router", newHouseBeside, openHouse(), besideShots(), "", false},
		// The rules that go by the group of interfaces repeat those that go by names.
		{"open, the interface renamed", newHouse, named, openShots(), `group`, false},
		{"open, the interface renamed and in no group", newHouse, lost, lostShots(), `^TUNIC-FORWARD -d `, false},
		// A second interface repeats the rules of the first; those that are about both are new.
		{"open, another network named", newHouse, other, namedShots(), ` lan2 |^TUNIC-INPUT -p udp .*--dport 9249 -j DROP$`, false},
		{"open, two interfaces", newHouse, two, twoShots(), `^TUNIC-LEAVE -m addrtype`, false},
		{"open, one of two interfaces renamed", newHouseUngrouped, mixed, twoShots(), `^TUNIC-POLICY -d \S+ -m devgroup`, false},
		{"open, behind a firewall that drops", newHouseFirewalled, openHouse(), []shot{tcp("tv", "internet", 80, "refused")},
			`--dport 9249 -g TUNIC-CLOSED$`, false},
		// Without the filter and nat the rules before the second wall are alone.
		{"open, all but mangle empty", newHouse, openHouse(), wallShotsOpen(), ``, true},
		{"open, another network named, all but mangle empty", newHouse, other, wallShotsNamed(), ``, true},
		{"closed, all but mangle empty", newHouse, closed, wallShotsClosed(), ``, true},
		crowded(),
	}
}

// houseGroup is the group of the household's interfaces.
const houseGroup = 0x77

func openShots() []shot {
	return slices.Concat(torShots(), directShots(), otherShots(), inboundShots(), boxShots(), orphanShots(), linkShots(), wireShots(),
		strayShots())
}

// wallShotsOpen are those by which it is seen what is marked to pass the second
// wall: nothing else is in the way.
func wallShotsOpen() []shot {
	return []shot{
		raw("a direct device's datagram", "laptop", "", "wan", ` > $internet protocol 17 ports 40000 > 4040`, "seen",
			datagram("laptop", "internet", 40000, 4040)),
		raw("a tor device's datagram", "phone", "", "wan", ` > $internet protocol 17 ports 40000 > 4041`, "nothing",
			datagram("phone", "internet", 40000, 4041)),
		raw("impossible flags to another device", "laptop", "", "lan", `^$laptop > $nas protocol 6 ports 40000 > 4042`, "nothing",
			segment("laptop", "nas", 4042, traffic.SYN|traffic.FIN)),
		raw("a direct device in mid-stream", "laptop", "", "wan", ` > $internet protocol 6 ports 40000 > 4043`, "nothing",
			segment("laptop", "internet", 4043, traffic.PSH|traffic.ACK)),
		raw("a direct device to a virtual address", "laptop", "", "wan", ` > $virtual protocol 17 ports 40000 > 4044`, "nothing",
			datagram("laptop", "virtual", 40000, 4044)),
		raw("a blocked device to another", "tv", "", "lan", `^$tv > $nas protocol 17 ports 40000 > 4045`, "nothing",
			datagram("tv", "nas", 40000, 4045)),
	}
}

// wallShotsNamed are those of a network that is named, under addresses of the
// household and to them.
func wallShotsNamed() []shot {
	shots := []shot{raw("the other network's datagram", "camera", "", "wan", ` > $internet protocol 17 ports 40000 > 4046`, "seen",
		datagram("camera", "internet", 40000, 4046))}
	shots = append(shots, tcp("camera", "internet", 80, "internet $camera"))
	for _, device := range []string{"phone", "phone/local"} {
		list := []shot{
			raw("from there with the address of the "+device, "camera", "", "wan", ` > $internet protocol 17 ports 40000 > 4047`, "nothing",
				datagram(device, "internet", 40000, 4047)),
			raw("from there to the "+device, "camera", "", "lan", ` > $`+device+` protocol 17 ports 40000 > 4048`, "nothing",
				datagram("camera", device, 40000, 4048)),
		}
		for i := range list {
			if device != "phone" {
				list[i] = list[i].only(rules.IPv6)
			}
		}
		shots = append(shots, list...)
	}
	return shots
}

// wallShotsClosed are a guest's.
func wallShotsClosed() []shot {
	return []shot{
		raw("a guest's connection", "guest", "", "wan", ` > $internet protocol 6 ports 40000 > 80 `, "seen",
			segment("guest", "internet", 80, traffic.SYN)),
		raw("a guest to a device", "guest", "", "lan", `^$guest > $nas protocol 6 ports 40000 > 80 `, "nothing",
			segment("guest", "nas", 80, traffic.SYN)),
		raw("a guest to a device's local address", "guest", "", "lan", `^$guest/local > $nas/local protocol 6 ports 40000 > 443 `,
			"nothing", segment("guest/local", "nas/local", 443, traffic.SYN)).only(rules.IPv6),
	}
}

// unnamedShots are those of a network that nobody has named.
func unnamedShots() []shot {
	return []shot{tcp("camera", "internet", 80, "silence"), udp("camera", "internet", 443, "silence"),
		tcp("camera", "phone", 80, "silence"), tcp("camera", "box", 22, "ssh $camera"), tcp("camera", "box", 2222, "silence")}
}

// namedShots are those of one that is named.
func namedShots() []shot {
	return []shot{
		tcp("camera", "internet", 80, "internet $camera"), udp("camera", "internet", 443, "internet $camera"),
		tcp("camera", "phone", 80, "silence"), tcp("camera", "box", 2222, "own $camera"),
		udp("camera", "box", 9249, "silence").before(), tcp("internet", "camera", 80, "silence"),
		tcp("internet", "gateway", 8081, "camera $internet"),
	}
}

// lostShots are those for which the household's interface must not matter.
func lostShots() []shot {
	return []shot{
		raw("a connection to the phone", "internet", "", "lan", `^$internet > $phone protocol 6 ports 40000 > 4012 `, "nothing",
			segment("internet", "phone", 4012, traffic.SYN)),
		// so that the box knows the way; it is a named port
		call{network: "tcp", from: "phone", source: "phone/local", to: "box/local", port: 22}.shot("ssh $phone/local").only(rules.IPv6),
		raw("a datagram to the phone's local address", "internet", "", "lan", `^$internet > $phone/local protocol 17 ports 40000 > 4013`,
			"nothing", datagram("internet", "phone/local", 40000, 4013)).only(rules.IPv6),
		raw("a tor device's datagram", "phone", "", "wan", ` > $internet protocol 17 ports .* > 4005`, "nothing",
			datagram("phone", "internet", 40000, 4005)),
	}
}

// newHouseUngrouped has the bridge in no group.
func newHouseUngrouped(t testing.TB) *house {
	t.Helper()
	h := newHouse(t)
	h.gateway.ip("link set lan1 group 0")
	return h
}

// torShots are a tor device's.
func torShots() []shot {
	local := func(network, to string, port uint16, want string) shot {
		return call{network: network, from: "phone", source: "phone/local", to: to, port: port}.shot(want).only(rules.IPv6)
	}
	link := func(network string, port uint16, want string) shot {
		return call{network: network, from: "phone", source: "neighbour", to: "box/link", port: port}.shot(want)
	}
	return []shot{
		tcp("phone", "internet", 80, "tor $phone"), local("tcp", "internet", 80, "tor $phone/local"),
		tcp("phone", "virtual", 80, "tor $phone/virtual"), beyond("printer", "internet", 80, "refused"),
		tcp("glutton", "internet", 80, "refused"), tcp("glutton", "virtual", 80, "refused"), tcp("glutton", "nas", 80, "nas $glutton"),
		udp("glutton", "internet", 53, "dns $glutton"),
		tcp("phone", "nas", 80, "nas $phone"), local("tcp", "nas/local", 80, "nas $phone/local"),
		udp("phone", "nas", 443, "nas $phone"), local("udp", "nas/local", 443, "nas $phone/local"),
		udp("phone", "internet", 443, "refused"), local("udp", "internet", 443, "refused"),
		udp("phone", "internet", 53, "dns $phone"), tcp("phone", "internet", 53, "dns $phone"),
		udp("phone", "box", 53, "dns $phone"), tcp("phone", "box", 53, "dns $phone"), udp("phone", "nas", 53, "dns $phone"),
		udp("phone", "internet", 123, "ntp $phone"), udp("phone", "box", 123, "ntp $phone"),
		tcp("phone", "box", 9050, "socks $phone"), tcp("phone", "box", 70, "gopher $phone"),
		tcp("phone", "setup", 80, "setup $phone").only(rules.IPv4),
		tcp("phone", "box", 22, "ssh $phone"), tcp("phone", "gateway", 22, "ssh $phone"), udp("phone", "box", 2222, "own $phone"),
		udp("phone", "box", 2225, "child $phone"),
		tcp("phone", "box", 9240, "refused"), tcp("phone", "box", 9350, "refused"), tcp("phone", "box", 9353, "refused"),
		tcp("phone", "box", 9370, "refused"), tcp("phone", "box", 9380, "refused"),
		udp("phone", "box", 9253, "refused"), udp("phone", "box", 9353, "refused"), udp("phone", "box", 9323, "refused"),
		local("tcp", "box/local", 9240, "refused"), link("tcp", 22, "ssh $neighbour"),
		link("tcp", 9240, "refused").only(rules.IPv6), link("udp", 53, "dns $neighbour").only(rules.IPv6),
		policyOf("phone", "", "internet", 80, "tor"), policyOf("phone", "", "nas", 80, "tor"),
		policyOf("phone", "phone/virtual", "virtual", 80, "tor"),
		policyOf("phone", "", "box/near", 22, "tor"), policyOf("phone", "phone/local", "nas/local", 80, "tor").only(rules.IPv6),
	}
}

// directShots are those of devices that go out: direct, onion and guest.
func directShots() []shot {
	local := func(from, to string, want string) shot {
		return call{network: "tcp", from: from, source: from + "/local", to: to, port: 80}.shot(want).only(rules.IPv6)
	}
	return []shot{
		tcp("laptop", "internet", 80, "internet $laptop/outside"), local("laptop", "internet", "internet $gateway"),
		udp("laptop", "internet", 443, "internet $laptop/outside"),
		tcp("laptop", "nas", 80, "nas $laptop"), local("laptop", "nas/local", "nas $laptop/local"),
		local("laptop", "nas", "nas $laptop/local"),
		tcp("laptop", "virtual", 80, "tor $laptop/virtual"), udp("laptop", "virtual", 443, "refused"),
		udp("laptop", "internet", 53, "internet $laptop/outside"), udp("laptop", "box", 53, "dns $laptop"),
		tcp("laptop", "box", 53, "dns $laptop"),
		udp("laptop", "box", 123, "ntp $laptop"), tcp("laptop", "box", 70, "gopher $laptop"), tcp("laptop", "box", 9050, "socks $laptop"),
		tcp("tablet", "internet", 80, "internet $tablet/outside"), local("tablet", "internet", "internet $gateway"),
		udp("tablet", "internet", 53, "dns $tablet"),
		tcp("guest", "internet", 80, "internet $guest/outside"), tcp("guest", "internet", 443, "internet $guest/outside"),
		local("guest", "internet", "internet $gateway"),
		udp("guest", "box", 53, "internet $guest/outside"), tcp("guest", "box", 53, "internet $guest/outside"),
		tcp("guest", "internet", 22, "tor $guest"),
		unreachable("laptop", 4070), unreachable("tablet", 4071),
		ftpActive("laptop", "laptop", "silence"), ftpActive("laptop", "laptop/local", "silence").only(rules.IPv6),
	}
}

// otherShots are those of a blocked device, and of what is let through.
func otherShots() []shot {
	return []shot{
		tcp("tv", "internet", 80, "refused"), tcp("tv", "nas", 80, "refused"), tcp("tv", "for all", 80, "refused"),
		udp("tv", "box", 53, "refused"), tcp("tv", "box", 53, "refused"),
		tcp("phone", "for all", 80, "internet $phone/outside"), tcp("nas", "for all", 80, "internet $nas/outside"),
		tcp("phone", "for phone", 80, "internet $phone/outside"), tcp("nas", "for phone", 80, "tor $nas"),
		tcp("phone", "granted", 80, "internet $phone/outside"), tcp("nas", "granted", 80, "tor $nas"),
		udp("phone", "granted", 53, "dns $phone"), tcp("phone", "granted", 53, "dns $phone"),
		tcp("phone", "near household", 80, "internet $phone/outside"), tcp("phone", "near box", 80, "internet $phone/outside"),
		tcp("phone", "near virtual", 80, "internet $gateway"), tcp("phone", "near local", 80, "internet $gateway").only(rules.IPv6),
		tcp("phone", "relay", 9001, "internet $phone/outside"), tcp("nas", "relay", 9001, "tor $nas"),
	}
}

// inboundShots come from the internet.
func inboundShots() []shot {
	shots := []shot{
		tcp("internet", "phone", 80, "silence"), tcp("internet", "laptop", 80, "silence"),
		tcp("internet", "gateway", 8080, "nas $internet"),
		// which is named
		tcp("internet", "gateway", 22, "ssh $internet"),
		call{network: "tcp", from: "internet", source: "internet", to: "box", port: 22}.shot("ssh $internet"),
		tcp("internet", "gateway", 2222, "silence"), udp("internet", "gateway", 2222, "silence"),
		udp("internet", "gateway", 2223, "open $internet"),
		raw("a connection to the phone", "internet", "", "lan", `^$internet > $phone protocol 6 ports 40000 > 4012 `, "nothing",
			segment("internet", "phone", 4012, traffic.SYN)),
		raw("a reset of the box to the internet", "internet", "", "wan", `^$gateway > $internet protocol 6 ports 4010 > .* flags 0x.4`,
			"nothing", segment("internet", "gateway", 4010, traffic.ACK)),
		raw("an unreachable of the box to the internet", "internet", "", "wan", `^$gateway > $internet protocol (1 type 3/3|58 type 1/4)`,
			"nothing", datagram("internet", "gateway", 40000, 4011)),
	}
	shots = append(shots, arrivalShots()...)
	for _, port := range []uint16{9240, 9350, 9353, 9370, 9380} {
		shots = append(shots, tcp("internet", "gateway", port, "silence"))
	}
	for _, port := range []uint16{9253, 9353, 9323} {
		shots = append(shots, udp("internet", "gateway", port, "silence"))
	}
	return shots
}

// arrivalShots are what the link to the internet needs, and what is named.
func arrivalShots() []shot {
	arrives := func(what, from, pattern string, packets func(ends) []traffic.IP) shot {
		return raw(what+" arrives", "internet", "", "box", `^$`+from+` > :: protocol `+pattern, "seen", packets)
	}
	shots := []shot{
		arrives("an offer of DHCP", "internet", `17 ports 67 > 68`, datagram("internet", "gateway", 67, 68)).only(rules.IPv4),
		arrives("an advertisement of DHCP", "neighbour", `17 ports 547 > 546`, datagram("neighbour", "gateway", 547, 546)).only(rules.IPv6),
		arrives("what is named", "internet", `17 ports 40000 > 4011`, datagram("internet", "gateway", 40000, 4011)),
		arrives("the other end's ESP", "excepted", `50`, packet("excepted", "gateway", traffic.ESP)),
	}
	for _, kind := range []byte{3, 11, 12} {
		shots = append(shots, arrives(fmt.Sprintf("ICMP %d", kind), "internet", fmt.Sprintf(`1 type %d/1`, kind),
			control("internet", "gateway", kind, 0)).only(rules.IPv4))
	}
	for _, kind := range []byte{1, 2, 3, 4, 130, 134, 135, 136} {
		shots = append(shots, arrives(fmt.Sprintf("ICMPv6 %d", kind), "internet", fmt.Sprintf(`58 type %d/1`, kind),
			control("internet", "gateway", 0, kind)).only(rules.IPv6))
	}
	return shots
}

func as(uid int, network, to string, port uint16, want string) shot {
	return call{network: network, from: "gateway", to: to, port: port, uid: uid}.shot(want)
}

// boxShots are the box's own.
func boxShots() []shot {
	return []shot{
		tcp("gateway", "internet", 80, "tor $gateway"), udp("gateway", "internet", 443, "denied"),
		tcp("gateway", "virtual", 80, "tor $gateway"), udp("gateway", "virtual", 443, "denied"),
		udp("gateway", "internet", 53, "owndns $gateway"), tcp("gateway", "internet", 53, "owndns $gateway"),
		tcp("gateway", "nas", 53, "owndns $box"), udp("gateway", "nas", 53, "owndns $box"),
		udp("gateway", "loopback", 9253, "denied"), as(972, "udp", "loopback", 9253, "tor's dns $loopback").only(rules.IPv4),
		as(972, "udp", "loopback", 9253, "denied").only(rules.IPv6),
		udp("gateway", "internet", 123, "owntime $gateway"), udp("gateway", "excepted", 123, "internet $gateway"),
		tcp("gateway", "nas", 80, "nas $box"), udp("gateway", "nas", 443, "nas $box"),
		tcp("gateway", "nas/local", 80, "nas $box/local").only(rules.IPv6),
		call{network: "tcp", from: "gateway", source: "box/link", to: "neighbour", port: 80}.shot("phone $box/link"),
		call{network: "udp", from: "gateway", source: "box/link", to: "neighbour", port: 443}.shot("phone $box/link"),
		tcp("gateway", "loopback", 22, "ssh $loopback"), tcp("gateway", "gateway", 22, "ssh $gateway"),
		tcp("gateway", "loopback", 9353, "dns $loopback"),
		as(971, "tcp", "internet", 80, "internet $gateway"), as(971, "udp", "internet", 443, "internet $gateway"),
		as(972, "tcp", "loopback", 80, "web $loopback"), as(972, "tcp", "nas/local", 80, "nas $box/local").only(rules.IPv6),
		as(972, "tcp", "nas", 80, "nas $box"), as(972, "tcp", "nas", 53, "refused"), as(972, "tcp", "loopback", 22, "refused"),
		as(972, "tcp", "loopback", 9353, "dns $loopback").only(rules.IPv4),
		as(973, "tcp", "nas", 80, "refused"), as(973, "udp", "nas", 443, "denied"), as(973, "tcp", "loopback", 9353, "refused"),
		as(973, "udp", "internet", 53, "denied"), as(973, "tcp", "internet", 80, "refused"),
		tcp("gateway", "excepted", 53, "internet $gateway"), udp("gateway", "excepted", 53, "internet $gateway"),
	}
}

// linkShots are what the links need, and what they must not carry.
func linkShots() []shot {
	everybody := func(to string) shot {
		return raw("the box to "+to, "gateway", "lan1", "lan", `^$box > $`+to+` protocol 253`, "seen", packet("box", to, traffic.Test))
	}
	shots := []shot{everybody("everybody"), everybody("broadcast").only(rules.IPv4),
		redirect(),
		raw("the box's ESP to where it may", "gateway", "", "wan", `^$gateway > $excepted protocol 50`, "seen",
			packet("gateway", "excepted", traffic.ESP)),
		raw("the box's ESP to elsewhere", "gateway", "", "wan", `^$gateway > $granted protocol 50`, "nothing",
			packet("gateway", "granted", traffic.ESP)),
		raw("a question of DHCP", "gateway", "", "wan", `^$gateway > $granted protocol 17 ports (68 > 67|546 > 547)`, "seen", dhcp),
	}
	for _, kind := range []byte{133, 135, 136, 143} {
		shots = append(shots, raw(fmt.Sprintf("ICMPv6 %d to the uplink", kind), "gateway", "", "wan",
			fmt.Sprintf(`^$gateway > $granted protocol 58 type %d/`, kind), "seen",
			control("gateway", "granted", 0, kind)).only(rules.IPv6))
	}
	return shots
}

// wireShots stay on one wire, between two ports of the bridge: what is for
// everybody there or for a neighbour's own address passes, and unchanged.
func wireShots() []shot {
	seen := func(what, from, source, to string, protocol byte) shot {
		return raw(what, from, "eth0", "port", fmt.Sprintf(`^$%s > $%s protocol %d`, source, to, protocol), "seen",
			packet(source, to, protocol))
	}
	shots := []shot{
		call{network: "tcp", from: "phone", source: "neighbour", to: "printer/link", port: 80}.shot("printer $neighbour").only(rules.IPv6),
		wired("everybody"), wired("broadcast").only(rules.IPv4), wired("printer/link"),
		raw("a blocked device's datagram to the printer's local link", "tv", "eth0", "port",
			`^$tv > $printer/link protocol 17 ports 40000 > 4062`, "seen", datagram("tv", "printer/link", 40000, 4062)).only(rules.IPv6),
		seen("the phone to everybody on the wire", "phone", "phone", "everybody", 253),
		seen("the laptop to everybody on the wire", "laptop", "laptop", "everybody", 254),
		seen("the phone's broadcast", "phone", "phone", "broadcast", 253).only(rules.IPv4),
		seen("the laptop's broadcast", "laptop", "laptop", "broadcast", 254).only(rules.IPv4),
		seen("the phone to the printer's local link", "phone", "neighbour", "printer/link", 253),
		seen("the laptop to the printer's local link", "laptop", "laptop", "printer/link", 254).only(rules.IPv4),
		seen("the laptop from a local address to the printer's local link", "laptop", "laptop/local", "printer/link", 254).only(rules.IPv6),
		seen("the laptop from a local address to everybody on the wire", "laptop", "laptop/local", "everybody", 254).only(rules.IPv6),
	}
	for _, kind := range []byte{135, 136} {
		for _, to := range []string{"printer", "printer/local"} {
			shots = append(shots, raw(fmt.Sprintf("ICMPv6 %d to the %s", kind, to), "phone", "eth0", "port",
				fmt.Sprintf(`^$neighbour > $%s protocol 58 type %d/1`, to, kind), "seen",
				control("neighbour", to, 0, kind)).only(rules.IPv6))
		}
	}
	return shots
}

// wired is a datagram that nobody leads anywhere.
func wired(to string) shot {
	return raw("the phone's datagram to "+to, "phone", "eth0", "port", `^$neighbour > $`+to+` protocol 17 ports 40000 > 4060`, "seen",
		datagram("neighbour", to, 40000, 4060))
}

// twoShots are between two interfaces of the household.
func twoShots() []shot {
	return []shot{tcp("phone", "camera", 80, "camera $phone"), tcp("camera", "phone", 80, "phone $camera"),
		udp("camera", "phone", 443, "phone $camera"), tcp("camera", "internet", 80, "tor $camera"),
		tcp("phone", "gateway", 8082, "camera $phone")}
}

// strayShots are packets of no connection, and with addresses of others.
func strayShots() []shot {
	return []shot{
		raw("a ping of the phone is refused", "phone", "", "lan", `> $phone protocol (1 type 3/(10|13)|58 type 1/1)`, "seen",
			echo("phone", "internet")),
		raw("a ping from a local address is refused", "phone", "", "lan", `> $phone/local protocol 58 type 1/1`, "seen",
			echo("phone/local", "internet")).only(rules.IPv6),
		raw("a ping from a link's address is refused", "phone", "", "lan", `> $neighbour protocol 58 type 1/1`, "seen",
			echo("neighbour", "internet")).only(rules.IPv6).before(),
		raw("a datagram from a link's address is refused", "phone", "", "lan", `^($box/link|$internet) > $neighbour protocol 58 type 1/4`,
			"seen", datagram("neighbour", "internet", 40000, 4061)).only(rules.IPv6).before(),
		raw("an answer to a stranger's ping", "phone", "", "wan", ` > $stranger protocol (1|58) type (0|129)/`, "nothing",
			echo("stranger", "internet")),
		raw("a stranger's source", "phone", "", "wan", ` > $internet protocol 17 ports 40000 > 4001`, "nothing",
			datagram("stranger", "internet", 40000, 4001)),
		raw("an answer to a stranger", "phone", "", "wan", `^$box > $stranger `, "nothing", segment("stranger", "box", 22, traffic.SYN)),
		raw("impossible flags", "laptop", "", "wan", ` > $internet protocol 6 ports .* > 4002`, "nothing",
			segment("laptop", "internet", 4002, traffic.SYN|traffic.FIN)),
		raw("a direct device in mid-stream", "laptop", "", "wan", ` > $internet protocol 6 ports .* > 4003`, "nothing",
			segment("laptop", "internet", 4003, traffic.PSH|traffic.ACK)),
		raw("a direct device in mid-stream hears it", "laptop", "", "lan", `^$internet > $laptop protocol 6 ports 4003 > .* flags 0x.4`,
			"seen", segment("laptop", "internet", 4003, traffic.PSH|traffic.ACK)),
		raw("impossible flags end no connection", "laptop", "", "lan", `^$internet > $laptop protocol 6 ports 4008 > `, "nothing",
			segment("laptop", "internet", 4008, traffic.SYN|traffic.FIN)),
		raw("a tor device in mid-stream", "phone", "", "wan", ` > $internet protocol 6 ports .* > 4004`, "nothing",
			segment("phone", "internet", 4004, traffic.PSH|traffic.ACK)),
		raw("a tor device's datagram", "phone", "", "wan", ` > $internet protocol 17 ports .* > 4005`, "nothing",
			datagram("phone", "internet", 40000, 4005)),
		raw("a tor device's datagram from a local address", "phone", "", "wan", ` > $internet protocol 17 ports .* > 4006`, "nothing",
			datagram("phone/local", "internet", 40000, 4006)).only(rules.IPv6),
		raw("a datagram to a virtual address", "laptop", "", "wan", ` > $virtual protocol 17 ports .* > 4007`, "nothing",
			datagram("laptop", "virtual", 40000, 4007)),
	}
}

// directBoxShots are the box's where its own traffic goes direct.
func directBoxShots() []shot {
	return []shot{
		tcp("gateway", "internet", 80, "internet $gateway"), udp("gateway", "internet", 443, "internet $gateway"),
		as(972, "tcp", "internet", 80, "refused"), as(972, "tcp", "astray", 80, "refused"), as(972, "udp", "internet", 443, "denied"),
		as(973, "tcp", "internet", 80, "refused"), as(971, "tcp", "internet", 80, "internet $gateway"),
		tcp("gateway", "virtual", 80, "tor $gateway"), udp("gateway", "virtual", 443, "denied"),
		tcp("gateway", "nas", 80, "nas $box"), tcp("internet", "gateway", 2222, "silence"),
		raw("the box with impossible flags", "gateway", "", "wan", `^$gateway > $internet protocol 6 ports .* > 4020`, "nothing",
			segment("gateway", "internet", 4020, traffic.SYN|traffic.FIN)),
		raw("the box in mid-stream", "gateway", "", "wan", `^$gateway > $internet protocol 6 ports .* > 4021`, "nothing",
			segment("gateway", "internet", 4021, traffic.PSH|traffic.ACK)),
		raw("a loopback address as a source", "gateway", "", "wan", `^$loopback > $internet protocol 253`, "nothing",
			packet("loopback", "internet", traffic.Test)),
		raw("a loopback address on the uplink", "gateway", "wan0", "wan", `^$gateway > $loopback protocol 253`, "nothing",
			packet("gateway", "loopback", traffic.Test)),
		raw("a virtual address as a source", "gateway", "", "wan", `^$virtual > $internet protocol 253`, "nothing",
			packet("virtual", "internet", traffic.Test)),
		raw("the box to a virtual address", "gateway", "", "wan", `^$gateway > $virtual protocol 253`, "nothing",
			packet("gateway", "virtual", traffic.Test)),
	}
}

// near is a datagram of whoever corrects the configuration.
func near(from string, port uint16) shot {
	return raw("a datagram from "+from, "internet", "", "box", fmt.Sprintf(`^$%s > :: protocol 17 ports 40000 > %d`, from, port), "seen",
		datagram(from, "gateway", 40000, port)).only(rules.IPv4)
}

// besideShots are those of a box beside the router: answers come in by the
// household's interface.
func besideShots() []shot {
	local := func(from, want string) shot {
		return call{network: "tcp", from: from, source: from + "/local", to: "internet", port: 80}.shot(want).only(rules.IPv6)
	}
	direct := func(from string) []shot {
		return []shot{tcp(from, "internet", 80, "internet $box").only(rules.IPv4), local(from, "internet $box")}
	}
	return slices.Concat(direct("laptop"), direct("tablet"), direct("guest"), []shot{
		unreachable("laptop", 4070).only(rules.IPv4), unreachable("laptop/local", 4071).only(rules.IPv6),
		tcp("phone", "internet", 80, "tor $phone"), udp("phone", "internet", 443, "refused"), udp("phone", "internet", 53, "dns $phone"),
	})
}

// unreachable is the error that the internet answers a device's datagram with
// (RFC 792, RFC 4443): it belongs to a connection that is not established.
func unreachable(from string, port uint16) shot {
	device, _, _ := strings.Cut(from, "/")
	return raw("an error comes to the "+from, device, "", "lan", `^$internet > $`+from+` protocol (1 type 3/3|58 type 1/4)`, "seen",
		datagram(from, "internet", 40000, port))
}

// Makers of raw packets; ports and addresses by the names of ends.
