//go:build lab

package e2e

import (
	"slices"
	"strings"

	"github.com/miekg/dns"

	"tunic/internal/lab/internet"
	"tunic/internal/lab/traffic"
)

// Rules that hold classes, by the text of rules.Compile.
const (
	layerSink     = `-g TUNIC-SINK$`
	layerPolicy   = `^TUNIC-POLICY -j TUNIC-REFUSE$`
	layerPost     = `^TUNIC-POST -s (192|2001|fd77)\S* -j DROP$`
	layerTrans    = `^TUNIC-LAN -p tcp -g TUNIC-FULL$`
	layerDNS      = `^TUNIC-LAN -p (udp|tcp) .*--dport 53 -j REDIRECT`
	layerMid      = `^TUNIC-(POLICY|OUTPUT) .*--ctstate NEW -j`
	layerInvalid  = `--ctstate INVALID -j DROP$`
	layerSource   = `^TUNIC-FROM -j DROP$`
	layerClosed   = `^TUNIC-INPUT .* -g TUNIC-CLOSED$`
	layerUplink   = `^TUNIC-UPLINK -j DROP$`
	layerTo       = `^TUNIC-TO -j DROP$`
	layerOutput   = `^TUNIC-OUTPUT -j TUNIC-REFUSE$`
	layerOwn      = `^TUNIC-OWN .*-j REDIRECT`
	layerReset    = `^TUNIC-OUTPUT .*RST RST`
	layerNoPort   = `^TUNIC-OUTPUT .*(--icmp-type 3/3|--icmpv6-type 1/4)`
	layerLoopback = `^TUNIC-POST -[sd] (127|::1).* -j DROP$`
	layerVirtual  = `^TUNIC-(POLICY|POST|OUTPUT) -d \S+ -j (DROP|TUNIC-REFUSE)$`
	layerAnswer   = `^TUNIC-POST .*--ctdir REPLY -j DROP$`
)

const (
	fromPhone = "(src host " + phone4 + " or src host " + phone6 + " or src host " + phoneULA + ")"
	byResolve = "the resolver answers by itself and asks nobody; the test of names looks at the answers"
)

// classes returns the table of leak classes. What is in it is sent in every
// state of testStates.
func classes() []class {
	return slices.Concat(addressClasses(), nameClasses(), stateClasses(), boxClasses(), inboundClasses(), aroundClasses(),
		containerClasses())
}

// addressClasses are devices' packets that carry no name.
func addressClasses() []class {
	forward := []string{layerPolicy, layerPost}
	return []class{
		{id: "L01", what: "IPv6 of devices, from global and local addresses", from: household,
			send: all(device(slices.Concat(datagrams(phone6, web6, 443, 9999), datagrams(phoneULA, web6, 443))...),
				connect("["+web6+"]:80")),
			sent: "ip6 and " + fromPhone + " and dst host " + web6, count: 4, layers: forward},
		{id: "L03", what: "tunnels", from: household,
			send: device(slices.Concat(
				protocols(phone4, web4, traffic.IPv6, 4, traffic.GRE, traffic.ESP),
				protocols(phone6, web6, 4, traffic.IPv6, traffic.GRE, traffic.ESP),
				datagrams(phone4, web4, 1194, 3544, 51820, 500, 4500, 1701), datagrams(phone6, web6, 1194, 51820, 500, 4500))...),
			sent: fromPhone + " and (dst host " + web4 + " or dst host " + web6 + ")", count: 18, layers: append(forward, layerInvalid)},
		{id: "L04", what: "UDP that is no DNS: QUIC, NTP, STUN, games", from: household,
			send: device(slices.Concat(datagrams(phone4, web4, 443, 123, 3478, 19302, 27015),
				datagrams(phone6, web6, 443, 123, 3478, 19302, 27015))...),
			sent: "udp and " + fromPhone, count: 10, layers: forward,
			refused: []string{"udp " + web4 + ":443", "udp [" + web6 + "]:443"}},
		{id: "L05", what: "ping and traceroute", from: household,
			send: device(append(traceroute(), ping(phone4, web4), ping(phone6, web6),
				traffic.Control(addr(phone4), addr(web4), traffic.ICMP, append([]byte{13, 0, 0, 0, 0, 1, 0, 1}, make([]byte, 12)...)))...),
			sent: fromPhone + " and (dst host " + web4 + " or dst host " + web6 + ")", count: 9, layers: forward},
		{id: "L06", what: "other protocols: SCTP, IGMP, UDP-Lite, one that nobody knows", from: household,
			send: device(slices.Concat(protocols(phone4, web4, traffic.SCTP, traffic.IGMP, traffic.Lite, traffic.Test),
				protocols(phone6, web6, traffic.SCTP, traffic.Lite, traffic.Test))...),
			sent: fromPhone + " and (dst host " + web4 + " or dst host " + web6 + ")", count: 7, layers: forward},
		{id: "L10", what: "DNS over QUIC and over TLS", from: household,
			send: all(device(slices.Concat(datagrams(phone4, public4, 853, 784), datagrams(phone6, public6, 853))...),
				connect(public4+":853")),
			sent: fromPhone + " and (dst host " + public4 + " or dst host " + public6 + ")", count: 4, layers: forward,
			refused: []string{"udp " + web4 + ":853"}},
		{id: "L12", what: "discovery: mDNS, LLMNR, NetBIOS, SSDP, WS-Discovery", from: household, send: device(discovery()...),
			sent: "udp and " + fromPhone, count: 13, layers: forward},
		{id: "L17", what: "packets that conntrack calls invalid", from: household,
			send: device(slices.Concat(segments(phone4, web4, 80, traffic.SYN|traffic.FIN, traffic.SYN|traffic.RST,
				traffic.ACK|traffic.FIN),
				segments(phone6, web6, 80, traffic.SYN|traffic.FIN, traffic.SYN|traffic.RST))...),
			sent: "tcp and " + fromPhone, layers: append(forward, layerInvalid), count: 5},
		{id: "L17", what: "a source that is not the household's", from: household,
			send: device(slices.Concat(datagrams("198.51.100.7", web4, 443), datagrams("2001:db8:bad::7", web6, 443))...),
			sent: "src host 198.51.100.7 or src host 2001:db8:bad::7", count: 2, layers: []string{layerSource}},
		{id: "L18", what: "fragments and impossible flags", from: household, send: device(fragments()...),
			sent: fromPhone + " and (dst host " + web4 + " or dst host " + web6 + ")", count: 7, layers: append(forward, layerInvalid)},
		{id: "L36", what: "private addresses beyond the uplink", from: household,
			send: device(slices.Concat(datagrams(phone4, "10.0.0.1", 443), datagrams(phone4, "172.16.0.1", 443),
				datagrams(phone4, "192.168.1.1", 443),
				datagrams(phone4, "100.64.0.1", 443), datagrams(phone4, friend4, 443), datagrams(phone6, "fd00::1", 443),
				datagrams(phone6, "fd78::10", 443))...),
			sent: "udp dst port 443 and " + fromPhone, count: 7, layers: forward},
		{id: "L37", what: "virtual addresses with anything but TCP", from: household, send: virtual,
			sent: fromPhone, count: 3, layers: append(forward, layerVirtual)},
		{id: "M11", what: "NAT64, 6to4, mapped and multicast addresses, source routes", from: household,
			send: device(slices.Concat(datagrams(phone6, "64:ff9b::cb00:7150", 443), datagrams(phone6, "2002:cb00:7150::1", 443),
				datagrams(phone4, "239.1.2.3", 443), datagrams(phone6, "ff0e::1234", 443), []traffic.IP{sourceRoute()})...),
			sent: fromPhone, count: 5, layers: forward},
	}
}

// traceroute counts hops with short lives.
func traceroute() []traffic.IP {
	var packets []traffic.IP
	for hop := byte(1); hop <= 3; hop++ {
		for _, p := range slices.Concat(datagrams(phone4, web4, 33433+uint16(hop)), datagrams(phone6, web6, 33433+uint16(hop))) {
			p.TTL = hop
			packets = append(packets, p)
		}
	}
	return packets
}

func discovery() []traffic.IP {
	packets := slices.Concat(
		datagrams(phone4, "224.0.0.251", 5353), datagrams(phone6, "ff02::fb", 5353), datagrams(phone4, "224.0.0.252", 5355),
		datagrams(phone4, "192.168.77.255", 137, 138), datagrams(phone4, "239.255.255.250", 1900, 3702), datagrams(phone6, "ff05::c", 1900),
		datagrams(phone4, web4, 5353, 137, 1900), datagrams(phone6, web6, 5353, 3702))
	for i := range packets {
		packets[i].TTL = 8 // a forwarding router would pass it
	}
	return packets
}

// fragments are the first and the last part of a datagram, a middle without
// either, and segments with flags that no connection has.
func fragments() []traffic.IP {
	whole := datagrams(phone4, web4, 443)[0]
	first, last, middle := whole, whole, whole
	first.Fragment, last.Fragment, middle.Fragment = 0x2000, 3, 0x2000|200
	none, every := byte(0), byte(traffic.FIN|traffic.SYN|traffic.RST|traffic.PSH|traffic.ACK|traffic.URG)
	return slices.Concat([]traffic.IP{first, last, middle},
		segments(phone4, web4, 80, none, every), segments(phone6, web6, 80, none, every))
}

// sourceRoute asks routers to send it by way of another one (RFC 791, "Loose
// Source and Record Route").
func sourceRoute() traffic.IP {
	p := datagrams(phone4, router4, 443)[0]
	p.Options = append([]byte{131, 7, 4}, append(addr(web4).AsSlice(), 0)...)
	return p
}

// nameClasses are questions.
func nameClasses() []class {
	asked := []string{layerDNS, layerPolicy, layerPost}
	questions := "(udp dst port 53 or tcp dst port 53)"
	return []class{
		{id: "L02", what: "DNS over IPv6", from: household, send: all(ask("web.example", dns.TypeAAAA, public6, isp6), askLinkLocal),
			sent: "ip6 and udp dst port 53", count: 3, layers: asked},
		{id: "L07", what: "DNS to a resolver that is built in", from: household, send: ask("web.example", dns.TypeA, public4, isp4),
			sent: "ip and udp dst port 53 and " + fromPhone, count: 2, layers: asked},
		{id: "L08", what: "DNS over TCP", from: household, send: askTCP("web.example", dns.TypeA, public4, public6),
			sent: "tcp dst port 53", count: 2, layers: append(asked, layerTrans)},
		{id: "L09", what: "DNS to the provider's router and into private networks", from: household,
			send: ask("web.example", dns.TypeA, router4, router6, friend4, "10.0.0.1"), sent: "udp dst port 53", count: 4, layers: asked},
		{id: "L11", what: "names by which programs ask whether to bring a resolver of their own", from: household,
			send: all(ask("use-application-dns.net", dns.TypeA, public4, box4), ask("mask.icloud.com", dns.TypeA, box4),
				ask("mask-h2.icloud.com", dns.TypeAAAA, box6)),
			sent: "udp dst port 53", count: 4, asked: below("use-application-dns.net.", "icloud.com."), unheld: byResolve},
		{id: "L12", what: "names of the link and of the house", from: household,
			send: all(ask("printer.local", dns.TypeA, box4, public4), ask("nas.lan", dns.TypeA, box4), ask("fileserver", dns.TypeA, box4),
				ask("20.77.168.192.in-addr.arpa", dns.TypePTR, box4)),
			sent: "udp dst port 53", count: 5, asked: below("local.", "lan.", "fileserver.", "in-addr.arpa."), unheld: byResolve},
		{id: "L13", what: "types that Tor cannot answer", from: household,
			send: all(ask("web.example", dns.TypeMX, box4, public4), ask("web.example", dns.TypeTXT, box4),
				ask("web.example", dns.TypeHTTPS, box6),
				ask("web.example", dns.TypeDNSKEY, box4), ask("_xmpp._tcp.web.example", dns.TypeSRV, public6),
				ask("web.example", dns.TypeANY, box4)),
			sent: questions, count: 7, layers: asked,
			asked: func(q internet.Query) bool { return q.Type != "A" && q.Type != "AAAA" && q.Type != "PTR" }},
		{id: "L14", what: "names, whether Tor answers or not", from: household, send: ask("fallback.example", dns.TypeA, box4, box6),
			sent: "udp dst port 53", count: 2, unheld: "the resolver knows of no other place than tor to ask"},
		{id: "L15", what: "onion names", from: household,
			send: all(ask(strings.Repeat("a", 56)+".onion", dns.TypeA, public4, box4), ask("foo.onion", dns.TypeA, public6), askHome),
			sent: "udp dst port 53", count: 5, layers: asked, asked: below("onion.")},
	}
}

// below matches questions for the names and everything below them.
func below(names ...string) func(internet.Query) bool {
	return func(q internet.Query) bool {
		return slices.ContainsFunc(names, func(name string) bool { return q.Name == name || strings.HasSuffix(q.Name, "."+name) })
	}
}

// askHome asks others for an onion name that exists.
func askHome(w *world) error {
	return ask(w.must("gateway", "tunic", "address", "home"), dns.TypeAAAA, public4, isp6)(w)
}

// stateClasses are packets that only a look at connections can judge.
func stateClasses() []class {
	lost := []byte{traffic.PSH | traffic.ACK, traffic.FIN | traffic.ACK, traffic.RST, traffic.RST | traffic.ACK}
	middle := []string{layerInvalid, layerTrans, layerMid, layerPolicy, layerPost}
	return []class{
		{id: "L16", what: "what is left of connections: FIN and RST of none", from: household,
			send: device(slices.Concat(segments(phone4, web4, 80, lost...), segments(phone6, web6, 80, lost...))...),
			sent: "tcp and " + fromPhone, count: 8, layers: middle},
		{id: "M02", what: "a device goes on after conntrack was flushed", from: household,
			send: flushed(func(w *world) traffic.Host { return w.phone }),
			sent: "tcp dst port 80 and " + fromPhone, count: 2, layers: middle},
		{id: "M02", what: "the box goes on after conntrack was flushed", from: box,
			send: flushed(func(w *world) traffic.Host { return w.gateway }),
			sent: "-p tcp --dport 80", count: 2, layers: []string{layerOwn, layerMid, layerOutput, layerInvalid}},
	}
}

// boxClasses are the gateway's own packets.
func boxClasses() []class {
	return []class{
		{id: "L14", what: "the box's own names", from: box, send: boxAsks, sent: "-p udp --dport 53", count: 2,
			layers: []string{layerOwn, layerOutput}},
		{id: "L33", what: "the box's own NTP, ping and updates", from: box,
			send: all(fromBox(slices.Concat(datagrams(wan4, web4, 123, 4460), datagrams(wan6, web6, 123),
				[]traffic.IP{ping(wan4, web4), ping(wan6, web6)})...),
				func(w *world) error { return w.gateway.Connect(w.ctx, web4+":80", "["+web6+"]:443") }),
			sent: "-p udp --dport 123", count: 2, layers: []string{layerOutput}},
		{id: "L35", what: "tor's user with anything but TCP", from: box,
			send: asTor(slices.Concat(datagrams(wan4, web4, 443), datagrams(wan6, web6, 443))...),
			sent: "-p udp --dport 443", count: 2, layers: []string{layerOutput}},
		{id: "M01", what: "loopback addresses on the uplink", from: box,
			send: fromBox(slices.Concat(protocols("127.0.0.1", web4, traffic.Test), protocols("::1", web6, traffic.Test))...),
			sent: "-p 253", count: 2, layers: []string{layerLoopback, layerOutput}},
	}
}

// inboundClasses come from the internet; the leak is the answer, or that they
// arrive.
func inboundClasses() []class {
	return []class{
		{id: "L44", what: "our ports, tried from the internet", from: outside, send: scan,
			sent: "tcp or udp", count: 54, layers: []string{layerClosed, layerUplink}},
		{id: "M04", what: "a device's global address, tried from the internet", from: outside,
			send: fromInternet(slices.Concat(segments(web6, phone6, 80, traffic.SYN), datagrams(web6, phone6, 9),
				[]traffic.IP{ping(web6, phone6)},
				segments(web4, phone4, 80, traffic.SYN))...),
			sent: "dst host " + phone6 + " or dst host " + phone4, count: 4, layers: []string{layerTo},
			arrives: "(src host " + web6 + " or src host " + web4 +
				") and (tcp dst port 80 or udp dst port 9 or (icmp6 and ip6[40] == 128))"},
		{id: "M07", what: "answers of the kernel that no socket sends", from: outside,
			send: fromInternet(slices.Concat(segments(web4, wan4, 81, traffic.ACK), segments(web6, wan6, 81, traffic.ACK),
				datagrams(web4, wan4, 81), datagrams(web6, wan6, 81))...),
			sent: "dst port 81", count: 4, layers: []string{layerReset, layerNoPort, layerUplink}},
	}
}
