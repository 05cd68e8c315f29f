//go:build lab

package e2e

import (
	"net/netip"
	"slices"

	"tunic/gateway/config"
	"tunic/internal/lab"
	"tunic/internal/lab/traffic"
)

// aroundClasses are about others on the household's wire and on the box: who
// says that it is the router, what tells who somebody is, what goes past
// programs that mean well.
func aroundClasses() []class {
	forward := []string{layerPolicy, layerPost}
	through := []string{layerTrans, layerPolicy, layerPost}
	relay := lab.TorRelays()[3]
	relay4, relay6 := relay.Addr4.String(), relay.Addr6.String()
	own := func(send func(*world) error, sent string, count int, id, what string) class {
		return class{id: id, what: what, from: box, send: send, sent: sent, count: count, layers: []string{layerOutput}}
	}
	return []class{
		{id: "L31", what: "a device's answers of DHCP and router advertisements", from: household,
			send: func(w *world) error {
				return w.phone.On("eth0").Send(raw(append(dhcpOffers(), advertisement("fe80::10", "ff02::1")))...)
			},
			sent: "udp src port 67 or (icmp6 and ip6[40] == 134)", count: 3, layers: forward},
		{id: "L31", what: "the provider's router advertisements", from: outside, send: func(w *world) error {
			return w.internet.On("eth0").Send(advertisement("fe80::80", "ff02::1").Bytes(), advertisement(web6, phone6).Bytes())
		}, sent: "icmp6 and ip6[40] == 134", count: 2, layers: []string{layerTo},
			arrives: "icmp6 and ip6[40] == 134 and not src host fe80::10"},
		{id: "L41", what: "Tor inside Tor: relays, dialled by a device", from: household,
			send: device(slices.Concat(segments(phone4, relay4, lab.ORPort, traffic.SYN), segments(phone6, relay6, lab.ORPort, traffic.SYN),
				datagrams(phone4, relay4, lab.ORPort))...),
			sent: "(dst host " + relay4 + " or dst host " + relay6 + ") and " + fromPhone, count: 3, layers: through},
		{id: "L43", what: "services in clear: FTP, telnet, mail, chat, BitTorrent", from: household, send: cleartext,
			sent: fromPhone + " and (dst port 21 or dst port 23 or dst port 25 or dst port 110 or dst port 143 or dst port 6667 or dst " +
				"port 6881)", count: 13, layers: through},
		{id: "L46", what: "names that devices tell: DHCP with a host name, mDNS", from: household,
			send: device(slices.Concat(dhcpRequests(), datagrams(phone4, router4, 5353))...), sent: "udp and " + fromPhone, count: 4,
			layers: forward},
		{id: "L47", what: "the time, of whomever a device likes", from: household,
			send: device(slices.Concat(datagrams(phone4, web4, 123, 37, 13), datagrams(phone6, web6, 123, 37))...),
			sent: "udp and " + fromPhone, count: 5, layers: forward},
		{id: "M13", what: "virtual addresses of a tor before", from: household, send: staleVirtual,
			sent: "tcp dst port 70 and " + fromPhone, count: 2,
			layers: append([]string{`^TUNIC-LAN -d \S+ -p tcp -g TUNIC-FULL$`, layerVirtual}, through...)},
		own(fromBox(slices.Concat(datagrams(wan4, "224.0.0.251", 5353), datagrams(wan4, web4, 5353, 1900), datagrams(wan6, web6, 5353))...),
			"-p udp --dport 5353", 3, "L46", "what a box tells of itself: mDNS, SSDP"),
		own(boundToUplink, "-p udp --dport 5001", 3, "M09", "sockets of the box that are bound to the uplink"),
		own(func(w *world) error {
			return w.gateway.Marked(0x03000000).Send(raw(slices.Concat(datagrams(wan4, web4, 5002), datagrams(wan6, web6, 5002)))...)
		}, "-p udp --dport 5002", 2, "M15", "packets with a mark as our own ones"),
	}
}

// advertisement says that its sender is no router any more (RFC 4861, section
// 4.2, a lifetime of 0), so that those who believe it stay where they are.
func advertisement(from, to string) traffic.IP {
	p := traffic.Control(netip.MustParseAddr(from), netip.MustParseAddr(to), traffic.ICMPv6,
		append([]byte{134, 0, 0, 0, 64}, make([]byte, 11)...))
	p.TTL = 255
	return p
}

// bootp is a message of DHCP with a name for its sender (RFC 2131, RFC 2132
// section 3.14).
func bootp(kind byte) []byte {
	m := make([]byte, 236, 300)
	m[0], m[1], m[2] = kind, 1, 6
	m = append(m, 99, 130, 83, 99, 53, 1, kind, 12, 11)
	return append(append(m, "annas-phone"...), 255)
}

func bootpFrom(from, to string, source, port uint16, kind byte) traffic.IP {
	return traffic.Datagram(netip.AddrPortFrom(addr(from), source), netip.AddrPortFrom(addr(to), port), bootp(kind))
}

func dhcpOffers() []traffic.IP {
	return []traffic.IP{bootpFrom(phone4, "255.255.255.255", 67, 68, 2), bootpFrom(phone4, router4, 67, 68, 2)}
}

func dhcpRequests() []traffic.IP {
	return append([]traffic.IP{bootpFrom(phone4, "255.255.255.255", 68, 67, 1), bootpFrom(phone4, router4, 68, 67, 1)}, datagrams(phone6,
		router6, 547)...)
}

// cleartext opens connections to ports of services that speak in clear, says
// hello to one, and asks a tracker.
func cleartext(w *world) error {
	var packets []traffic.IP
	for _, port := range []uint16{21, 23, 25, 110, 143, 6667} {
		packets = slices.Concat(packets, segments(phone4, web4, port, traffic.SYN), segments(phone6, web6, port, traffic.SYN))
	}
	return all(device(append(packets, datagrams(phone4, web4, 6881)...)...), connect(web4+":110"))(w)
}

// staleVirtual connects to addresses that stand for no onion now.
func staleVirtual(w *world) error {
	v := w.ranges()
	four, six := v.Virtual4.Addr().Next().Next(), v.Virtual6.Addr().Next().Next()
	return w.phone.Connect(w.ctx, netip.AddrPortFrom(four, 70).String(), netip.AddrPortFrom(six, 70).String())
}

// boundToUplink sends past routes, as root and as the user of serve.
func boundToUplink(w *world) error {
	serve, err := uidOf(config.ServeUser)
	if err != nil {
		return err
	}
	packets := raw(slices.Concat(datagrams(wan4, web4, 5001), datagrams(wan6, web6, 5001), segments(wan4, web4, 5001, traffic.SYN),
		[]traffic.IP{ping(wan6, web6)}))
	if err := w.gateway.On("wan").Send(packets...); err != nil {
		return err
	}
	return w.gateway.As(serve).On("wan").Send(raw(datagrams(wan4, web4, 5001))...)
}
