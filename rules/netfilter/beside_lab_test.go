//go:build lab

package netfilter

import (
	"testing"
)

// newHouseBeside has the box beside the router, on the cable of its devices:
// its household's interface is its uplink too.
//
//	phone, laptop, ... --.
//	gateway (box) --------+-- router -- internet
func newHouseBeside(t testing.TB) *house {
	t.Helper()
	n := &network{t: t, phone: newNode(t, "phone"), gateway: newNode(t, "gw"), internet: newNode(t, "wan")}
	h := &house{network: n, limit: patience, nodes: map[string]*node{"phone": n.phone, "gateway": n.gateway, "internet": n.internet}}
	router := newNode(t, "router")
	router.ip("link add br0 type bridge")
	router.ip("link set br0 up")
	for _, addr := range []string{"192.168.77.254/24 dev br0", "2001:db8:77::fe/64 dev br0 nodad", "fd77::fe/64 dev br0 nodad"} {
		router.ip("addr add " + addr)
	}
	for name, of := range map[string]*node{"phones": n.phone, "box": n.gateway} {
		router.ip("link add " + name + " type veth peer name eth0 netns " + of.name)
		router.ip("link set " + name + " master br0 up")
	}
	router.ip("link add wan0 type veth peer name eth0 netns " + n.internet.name)
	router.ip("link set wan0 up")
	router.ip("addr add " + gateway4 + "/24 dev wan0")
	router.ip("addr add " + gateway6 + "/64 dev wan0 nodad")
	n.gateway.ip("link set eth0 name lan1 up")
	n.gateway.ip("addr add 192.168.77.1/24 dev lan1")
	n.gateway.ip("addr add 2001:db8:77::1/64 dev lan1 nodad")
	n.gateway.ip("addr add fd77::1/64 dev lan1 nodad")
	n.gateway.ip("route add default via 192.168.77.254")
	n.gateway.ip("-6 route add default via 2001:db8:77::fe")
	for name := range deviceHosts {
		if name != "printer" {
			h.addDevice(name)
		}
	}
	n.host(n.internet, internet4+"/24", internet6+"/64", gateway4, gateway6)
	for _, on := range []*node{n.gateway, router} {
		for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			on.set(name, "1")
		}
	}
	h.quiet("lan1")
	h.servers()
	n.kernel = n.gateway.kernel()
	n.wan, h.lan = n.internet.start("eth0", &capture{links: true}), n.phone.start("eth0", &capture{links: true})
	h.port, h.box = &capture{}, &capture{}
	return h
}
