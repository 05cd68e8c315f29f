package rules

import "net/netip"

// dnsPort is where devices ask, whatever resolver they ask (RFC 1035).
const dnsPort = 53

// ntpPort is where devices ask for the time (RFC 5905).
const ntpPort = 123

// dialect is everything in which the two families differ.
type dialect struct {
	family    Family
	bits      int // of an address
	loopback  netip.Prefix
	linkLocal netip.Prefix
	onLink    []netip.Prefix // never leave the wire, or go to everybody on it

	linkLocalSources []netip.Prefix // of hosts that speak to the box without any other address

	ping            string   // match of ICMP
	refusePing      string   // what REJECT answers to it
	refuseOther     string   // what REJECT answers to all but TCP and ICMP
	portUnreachable string   // match of that answer
	neighbours      []string // matches without which the link itself is dead
	resolution      []string // those of them that go to a neighbour's own address too
	detour          string   // match of "use another router than me"
	dhcpClient      string   // match of the box asking for its own address
	dhcpServer      string   // match of a device without an address that asks the box for one; "": it has a link-local one
	arrivals        []string // matches of what the link to the internet needs without having been asked for

	near []netip.Prefix // sources that no router of the internet carries
}

func dialectOf(f Family) dialect {
	if f == IPv6 {
		return dialect6()
	}
	return dialect4()
}

func dialect4() dialect {
	linkLocal := netip.MustParsePrefix("169.254.0.0/16")
	return dialect{
		family:    IPv4,
		bits:      32,
		loopback:  netip.MustParsePrefix("127.0.0.0/8"),
		linkLocal: linkLocal,
		onLink: []netip.Prefix{
			linkLocal,
			netip.MustParsePrefix("224.0.0.0/4"),
			netip.MustParsePrefix("255.255.255.255/32"),
		},
		ping:            "-p icmp",
		refusePing:      "icmp-admin-prohibited",
		refuseOther:     "icmp-port-unreachable",
		portUnreachable: "-p icmp -m icmp --icmp-type 3/3",
		detour:          "-p icmp -m icmp --icmp-type 5",
		dhcpClient:      "-p udp -m udp --sport 68 --dport 67",
		dhcpServer:      "-s 0.0.0.0/32 -p udp -m udp --sport 68 --dport 67",
		arrivals: []string{ // errors, by which the path's MTU is found too (RFC 792, RFC 1191); DHCP (RFC 2131)
			"-p icmp -m icmp --icmp-type 3",
			"-p icmp -m icmp --icmp-type 11",
			"-p icmp -m icmp --icmp-type 12",
			"-p udp -m udp --sport 67 --dport 68",
		},
		near: []netip.Prefix{ // RFC 1918
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), linkLocal,
		},
	}
}

// dialect6 lets neighbour discovery and the listener reports that it depends
// on pass (RFC 4861, RFC 3810): without them a device with policy direct gets
// no answer, because the box finds no next hop.
func dialect6() dialect {
	linkLocal := netip.MustParsePrefix("fe80::/10")
	return dialect{
		family:           IPv6,
		bits:             128,
		loopback:         netip.MustParsePrefix("::1/128"),
		linkLocal:        linkLocal,
		onLink:           []netip.Prefix{linkLocal, netip.MustParsePrefix("ff00::/8")},
		linkLocalSources: []netip.Prefix{linkLocal},
		ping:             "-p ipv6-icmp",
		refusePing:       "icmp6-adm-prohibited",
		refuseOther:      "icmp6-port-unreachable",
		portUnreachable:  "-p ipv6-icmp -m icmp6 --icmpv6-type 1/4",
		neighbours: []string{
			"-p ipv6-icmp -m icmp6 --icmpv6-type 133",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 135",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 136",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 143",
		},
		resolution: []string{
			"-p ipv6-icmp -m icmp6 --icmpv6-type 135",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 136",
		},
		detour:     "-p ipv6-icmp -m icmp6 --icmpv6-type 137",
		dhcpClient: "-p udp -m udp --sport 546 --dport 547",
		arrivals: []string{ // errors (RFC 4443), neighbours and routers (RFC 4861, RFC 3810), DHCP (RFC 8415)
			"-p ipv6-icmp -m icmp6 --icmpv6-type 1",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 2",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 3",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 4",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 130",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 134",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 135",
			"-p ipv6-icmp -m icmp6 --icmpv6-type 136",
			"-s fe80::/10 -p udp -m udp --dport 546",
		},
		near: []netip.Prefix{netip.MustParsePrefix("fc00::/7"), linkLocal}, // RFC 4193
	}
}
