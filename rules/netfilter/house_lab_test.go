//go:build lab

package netfilter

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// house is a household with a device for each policy, on one bridge. They reach
// each other by way of the box, and the printer on the other port of the bridge
// directly; the camera is on another interface:
//
//	phone (tor), laptop (direct), tablet (onion), tv (block), guest (portal), nas --.
//	printer -- lan1 [gateway] wan0 -- internet
//	camera  -- lan2 --'
//
// Bridged packets come by iptables (br_netfilter), as where Docker is. What
// listens on the box and in the internet says its name and whom it sees.
type house struct {
	*network
	nodes map[string]*node
	lan   *capture // what comes to the phone's cable
	port  *capture // what comes to the printer
	box   *capture // what the rules have let in to the box, whoever listens for it

	limit time.Duration // of the patience of all shots
}

// ends are the addresses of one family.
type ends struct {
	family rules.Family
	addrs  map[string]string
}

// The last part of addresses and hardware addresses of devices.
var deviceHosts = map[string]int{"phone": 10, "laptop": 11, "tablet": 12, "tv": 13, "guest": 14, "glutton": 15, "nas": 20, "printer": 30}

// Places in the internet, besides the server: what a bypass names for all, for
// the phone, and what was granted to it; a relay, an exception of the box's.
var places = map[string]int{"for all": 20, "for phone": 21, "granted": 22, "relay": 30, "excepted": 40,
	"near box": 70}

func macOf(device string) string { return fmt.Sprintf("02:00:00:00:77:%02d", deviceHosts[device]) }

func newEnds(f rules.Family) ends {
	e := ends{f, map[string]string{
		"internet": internet4, "gateway": gateway4, "box": "192.168.77.1", "stranger": stranger4, "virtual": "10.192.0.7",
		"setup":    "10.192.0.9",
		"loopback": "127.0.0.1", "neighbour": "169.254.7.7", "box/link": "192.168.77.1", "everybody": "224.0.0.1",
		"broadcast": "255.255.255.255", "printer/link": "169.254.7.30",
		"ten": "10.9.9.9", "private": "172.20.9.9", "astray": "192.168.77.99", "camera": "192.168.78.20", "box/near": "198.51.100.65",
		"near household": "192.168.99.20", "near virtual": "10.77.0.20"}}
	device, place := "192.168.77.%d", "198.51.100.%d"
	if f == rules.IPv6 {
		e.addrs = map[string]string{
			"internet": internet6, "gateway": gateway6, "box": "2001:db8:77::1", "box/local": "fd77::1", "stranger": stranger6,
			"virtual":  "fdc7:7a3e:91b2::7",
			"loopback": "::1", "neighbour": "fe80::77:10", "box/link": "fe80::77:1", "everybody": "ff02::1", "printer/link": "fe80::77:30",
			"astray": "2001:db8:77::99", "camera": "2001:db8:78::20", "box/near": "2001:db8:5:1::1", "near household": "2001:db8:77:1::20",
			"near local": "fd77:0:1::20", "near virtual": "fdc7:7a3e:1::20"}
		device, place = "2001:db8:77::%d", "2001:db8:5::%d"
	}
	for name, host := range deviceHosts {
		e.addrs[name] = fmt.Sprintf(device, host)
		e.addrs[name+"/outside"] = e.addrs[name] // as the internet sees it
		e.addrs[name+"/virtual"] = e.addrs[name] // as a virtual address sees it
		if f == rules.IPv4 {
			e.addrs[name+"/outside"] = gateway4
		} else {
			e.addrs[name+"/local"] = fmt.Sprintf("fd77::%d", host)
			e.addrs[name+"/virtual"] = e.addrs[name+"/local"] // the system chooses what is near (RFC 6724)
		}
	}
	for name, host := range places {
		e.addrs[name] = fmt.Sprintf(place, host)
	}
	if f == rules.IPv6 {
		e.addrs["near box"] = "2001:db8:5:1::70"
	}
	return e
}

// single is an address as a prefix of one.
func (e ends) single(name string) string {
	a := netip.MustParseAddr(e.addrs[name])
	return netip.PrefixFrom(a, a.BitLen()).String()
}

func newHouse(t testing.TB) *house {
	t.Helper()
	n := &network{t: t, phone: newNode(t, "phone"), gateway: newNode(t, "gw"), internet: newNode(t, "wan")}
	h := &house{network: n, limit: patience, nodes: map[string]*node{"phone": n.phone, "gateway": n.gateway, "internet": n.internet}}
	n.gateway.ip("link add lan1 type bridge mcast_snooping 0")
	n.gateway.ip(fmt.Sprintf("link set lan1 address 02:00:00:00:77:01 group %d up", houseGroup))
	n.gateway.ip("addr add 192.168.77.1/24 dev lan1")
	n.gateway.ip("addr add 2001:db8:77::1/64 dev lan1 nodad")
	h.nodes["printer"], h.nodes["camera"] = newNode(t, "printer"), newNode(t, "camera")
	for port, of := range map[string]*node{"port1": n.phone, "port2": h.nodes["printer"]} {
		n.gateway.ip("link add " + port + " type veth peer name eth0 netns " + of.name)
		n.gateway.ip("link set " + port + " master lan1 up")
	}
	n.gateway.set("bridge/bridge-nf-call-iptables", "1")
	n.gateway.set("bridge/bridge-nf-call-ip6tables", "1")
	n.wire(h.nodes["camera"], "lan2", "192.168.78.1/24", "2001:db8:78::1/64")
	n.gateway.ip(fmt.Sprintf("link set lan2 group %d", houseGroup))
	n.host(h.nodes["camera"], "192.168.78.20/24", "2001:db8:78::20/64", "192.168.78.1", "2001:db8:78::1")
	n.wire(n.internet, "wan0", gateway4+"/24", gateway6+"/64")
	n.gateway.ip("addr add fd77::1/64 dev lan1 nodad")
	n.gateway.ip("addr add fe80::77:1/64 dev lan1 nodad")
	n.gateway.ip("route add 169.254.0.0/16 dev lan1")
	for name := range deviceHosts {
		h.addDevice(name)
	}
	h.nodes["printer"].ip("addr add 169.254.7.30/16 dev eth0")
	h.nodes["printer"].ip("addr add fe80::77:30/64 dev eth0 nodad")
	for _, name := range []string{"phone", "laptop"} { // the others on the wire, whom nobody asks the box for
		h.nodes[name].ip("route add 169.254.7.30 dev eth0")
		h.nodes[name].ip("-6 route add 2001:db8:77::30 dev eth0")
		h.nodes[name].ip("-6 route add fd77::30 dev eth0")
	}
	n.phone.ip("addr add " + stranger4 + "/32 dev eth0")
	n.phone.ip("addr add " + stranger6 + "/128 dev eth0 nodad")
	n.phone.ip("addr add 169.254.7.7/32 dev eth0")
	n.phone.ip("addr add fe80::77:10/64 dev eth0 nodad")
	n.host(n.internet, internet4+"/24", internet6+"/64", gateway4, gateway6)
	for _, f := range rules.Families() {
		e := newEnds(f)
		for name := range e.addrs {
			if _, place := places[name]; place || strings.HasPrefix(name, "near ") {
				n.internet.ip("addr add " + e.single(name) + " dev eth0")
			}
		}
		n.gateway.ip("addr add " + e.single("box/near") + " dev wan0 preferred_lft 0") // never a source
	}
	for _, f := range rules.Families() { // an address of the household that the box looks for on the uplink
		astray := newEnds(f).single("astray")
		n.internet.ip("addr add " + astray + " dev eth0")
		n.gateway.ip("route add " + astray + " via " + map[rules.Family]string{rules.IPv4: internet4, rules.IPv6: internet6}[f])
	}
	n.gateway.ip("route add default via " + internet4)
	n.gateway.ip("-6 route add default via " + internet6)
	for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		n.gateway.set(name, "1")
	}
	h.quiet("lan1", "lan2", "wan0")
	h.servers()
	n.kernel = n.gateway.kernel()
	n.wan, h.lan = n.internet.start("eth0", &capture{links: true}), n.phone.start("eth0", &capture{links: true})
	h.port = h.nodes["printer"].start("eth0", &capture{links: true})
	h.box = n.gateway.listens()
	return h
}

// addDevice puts a device on the phone's cable. They do not hear each other,
// as in a wireless network that keeps them apart.
func (h *house) addDevice(name string) {
	n := h.nodes[name]
	if n == nil {
		n = newNode(h.t, name)
		h.nodes[name] = n
		h.phone.ip("link add " + name + " link eth0 type macvlan mode private")
		h.phone.ip("link set " + name + " netns " + n.name)
		n.ip("link set " + name + " name eth0")
	}
	host := deviceHosts[name]
	n.ip("link set eth0 address " + macOf(name))
	n.ip("link set eth0 up")
	n.ip(fmt.Sprintf("addr add 192.168.77.%d/32 dev eth0", host))
	n.ip(fmt.Sprintf("addr add 2001:db8:77::%d/128 dev eth0 nodad", host))
	n.ip(fmt.Sprintf("addr add fd77::%d/128 dev eth0 nodad", host))
	n.ip("route add 192.168.77.1 dev eth0")
	n.ip("-6 route add 2001:db8:77::1 dev eth0")
	n.ip("-6 route add fd77::1 dev eth0")
	n.ip("route add default via 192.168.77.1")
	n.ip("-6 route add fd00::/8 via fd77::1")
	n.ip("-6 route add default via 2001:db8:77::1")
}

// quiet has the gateway and the internet refuse without waiting for their turn:
// a kernel tells one address of six errors at once, then of one a second
// (icmp(7), icmp_ratelimit), and all devices have the gateway's address there.
// Routes are left to the tests.
func (h *house) quiet(interfaces ...string) {
	for _, n := range []*node{h.gateway, h.internet} {
		n.set("ipv4/icmp_ratelimit", "0")
		n.set("ipv6/icmp/ratelimit", "0")
	}
	for _, name := range append(interfaces, "all") {
		h.gateway.set("ipv4/conf/"+name+"/rp_filter", "0")
		h.gateway.set("ipv4/conf/"+name+"/send_redirects", "0")
	}
}

// servers starts everything that answers.
func (h *house) servers() {
	for port, name := range map[string]string{":9240": "tor", ":9350": "socks", ":9353": "dns", ":9354": "owndns", ":9370": "gopher",
		":9380": "setup", ":9384": "page", ":9355": "closeddns", ":22": "ssh", ":2222": "own", ":80": "web"} {
		h.says(h.gateway, name, port)
	}
	for port, name := range map[string]string{":9253": "tor's dns", ":9353": "dns", ":9354": "owndns", ":9355": "closeddns", ":9323": "ntp",
		":9324": "owntime", ":2222": "own", ":2223": "open"} {
		h.gateway.echoAs(name+" ", port)
	}
	h.gateway.echoAs("nobody ", ":9249") // what is led there is refused before
	h.gateway.echoBy(childUID, "child ", ":2225")
	for _, port := range []string{":22", ":53", ":80", ":443", ":853", ":9001"} {
		h.says(h.internet, "internet", port)
	}
	for _, port := range []string{":53", ":123", ":443", ":853"} {
		h.internet.echoAs("internet ", port)
	}
	for _, name := range []string{"nas", "phone", "laptop", "printer", "camera"} {
		if h.nodes[name] == nil {
			continue // not in every cabling
		}
		for _, port := range []string{":53", ":80"} {
			h.says(h.nodes[name], name, port)
		}
		h.nodes[name].echoAs(name+" ", ":443")
	}
	h.ftp()
	h.gateway.run("iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 8080 -j DNAT --to-destination 192.168.77.20:80")
	h.gateway.run("ip6tables -t nat -A PREROUTING -i wan0 -p tcp --dport 8080 -j DNAT --to-destination [2001:db8:77::20]:80")
	h.gateway.run("iptables -t nat -A PREROUTING -i lan1 -p tcp --dport 8082 -j DNAT --to-destination 192.168.78.20:80")
	h.gateway.run("ip6tables -t nat -A PREROUTING -i lan1 -p tcp --dport 8082 -j DNAT --to-destination [2001:db8:78::20]:80")
	h.gateway.run("iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 8081 -j DNAT --to-destination 192.168.78.20:80")
	h.gateway.run("ip6tables -t nat -A PREROUTING -i wan0 -p tcp --dport 8081 -j DNAT --to-destination [2001:db8:78::20]:80")
}

// says starts a server that tells everybody its name and whom it sees.
func (h *house) says(on *node, name, address string) {
	h.t.Helper()
	h.serve(on, address, func(c net.Conn) {
		from := netip.MustParseAddrPort(c.RemoteAddr().String())
		// who has gone does not hear it
		_, _ = io.WriteString(c, name+" "+netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port()).String()+"\n")
	})
}

// serve has a function answer each connection until the test ends.
func (h *house) serve(on *node, address string, answer func(net.Conn)) {
	h.t.Helper()
	l, err := traffic.Host{Namespace: on.name}.Listen(h.t.Context(), address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed at the end
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
}

// newHouseFirewalled has another firewall, which drops what devices send to a port.
func newHouseFirewalled(t testing.TB) *house {
	t.Helper()
	h := newHouse(t)
	for _, tool := range []string{"iptables", "ip6tables"} {
		h.gateway.run(tool + " -A INPUT -i lan1 -p tcp --dport 9249 -j DROP")
	}
	return h
}

// childUID is the user of a child that may dial ports, and answers.
const childUID = 972

// openHouse is everything that rules can be made from.
func openHouse() rules.Input {
	in := household()
	in.Interfaces = []string{"lan1"}
	in.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.168.77.0/24"), netip.MustParsePrefix("2001:db8:77::/64"),
		netip.MustParsePrefix("fd77::/64")}
	in.OwnTor, in.Children = true, []rules.Child{
		{UID: childUID, May: []rules.Way{{Protocol: rules.ProtocolTCP, Port: 80},
			{Protocol: rules.ProtocolTCP, To: netip.MustParseAddr("127.0.0.1"), Port: 9353},
			{Protocol: rules.ProtocolUDP, To: netip.MustParseAddr("127.0.0.1"), Port: 9253}}}, {UID: 973}}
	in.Devices = []rules.Device{{MAC: macOf("laptop"), Policy: rules.Direct}, {MAC: macOf("tablet"), Policy: rules.Onion},
		{MAC: macOf("tv"), Policy: rules.Block}}
	in.Services = append(in.Services, rules.Service{Name: "gopher", Public: 70, Internal: 9370},
		rules.Service{Name: "setup", Public: 80, Internal: 9380, To: netip.MustParseAddr("10.192.0.9")})
	in.Streams, in.Full = houseStreams, []string{macOf("glutton")}
	in.NTPPort, in.OwnDNS, in.OwnTime = 9323, 9354, 9324
	// nobody listens on the last
	in.Inbound = []rules.Inbound{{Protocol: rules.ProtocolTCP, Port: 22}, {Protocol: rules.ProtocolUDP, Port: 2223},
		{Protocol: rules.ProtocolUDP, Port: 4011}}
	in.Carriers[0].UDP, in.OverTor = rules.AnyUDP, true
	in.Bypasses = []rules.Bypass{{Domains: []string{"bank.example"}, MACs: []string{macOf("phone")}}}
	forAll, forPhone := rules.Bypass{}, rules.Bypass{MACs: []string{macOf("phone")}}
	guest := rules.Guest{MAC: macOf("guest")}
	for _, f := range rules.Families() {
		e := newEnds(f)
		at := func(name string) netip.Addr { return netip.MustParseAddr(e.addrs[name]) }
		one := func(name string) netip.Prefix { return netip.PrefixFrom(at(name), at(name).BitLen()) }
		forAll.Prefixes = append(forAll.Prefixes, one("for all"))
		forPhone.Prefixes = append(forPhone.Prefixes, one("for phone"))
		in.Grants = append(in.Grants, rules.Grant{MAC: macOf("phone"), To: at("granted")})
		in.Passes = append(in.Passes, rules.Pass{From: at("phone"), To: netip.AddrPortFrom(at("relay"), 9001)})
		for _, protocol := range []uint8{rules.ProtocolTCP, rules.ProtocolUDP} {
			in.Exceptions = append(in.Exceptions, rules.Exception{Protocol: protocol, To: one("excepted"), Port: 53})
		}
		in.Exceptions = append(in.Exceptions, rules.Exception{Protocol: rules.ProtocolUDP, To: one("excepted"), Port: 123})
		in.Exceptions = append(in.Exceptions, rules.Exception{Protocol: traffic.ESP, To: one("excepted")})
		guest.Resolvers = append(guest.Resolvers, at("internet"))
	}
	// Wider than the internet: the household, the box and virtual addresses are
	// not outside.
	for _, p := range []string{"192.168.0.0/16", "10.0.0.0/8", "2001:db8:77::/48", "fd77::/32", "fdc7:7a3e::/32", "198.51.100.64/27",
		"2001:db8:5:1::/64"} {
		forPhone.Prefixes = append(forPhone.Prefixes, netip.MustParsePrefix(p))
	}
	in.Bypasses = append(in.Bypasses, forAll, forPhone)
	in.Guests = []rules.Guest{guest}
	return in
}
