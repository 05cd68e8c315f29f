//go:build lab

package netfilter

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"tunic/rules"
)

// TestOneArm has the gateway beside the router, on the same cable as the
// phone: the household's interface is the uplink too.
//
//	phone .10 --.
//	gateway .2 --+-- router .1 -- internet
func TestOneArm(t *testing.T) {
	n := &network{t: t, phone: newNode(t, "phone"), gateway: newNode(t, "gw"), internet: newNode(t, "wan")}
	router := newNode(t, "router")
	router.ip("link add br0 type bridge")
	router.ip("link set br0 up")
	router.ip("addr add 192.168.77.1/24 dev br0")
	for i, h := range []*node{n.phone, n.gateway} {
		port := "port" + string(rune('0'+i))
		router.ip("link add " + port + " type veth peer name eth0 netns " + h.name)
		router.ip("link set " + port + " master br0 up")
	}
	router.ip("link add wan0 type veth peer name eth0 netns " + n.internet.name)
	router.ip("link set wan0 up")
	router.ip("addr add " + gateway4 + "/24 dev wan0")
	router.set("ipv4/ip_forward", "1")
	n.gateway.set("ipv4/ip_forward", "1")
	n.host(n.phone, phone4+"/24", phone6+"/64", "192.168.77.2", "2001:db8:77::2")
	n.host(n.gateway, "192.168.77.2/24", "2001:db8:77::2/64", "192.168.77.1", "2001:db8:77::1")
	n.host(n.internet, internet4+"/24", internet6+"/64", gateway4, gateway6)
	n.phone.set("ipv4/conf/eth0/accept_redirects", "0")
	n.phone.set("ipv4/conf/all/accept_redirects", "0")
	n.gateway.set("ipv4/conf/eth0/send_redirects", "1")
	n.gateway.set("ipv4/conf/all/send_redirects", "1")
	seen := n.phone.captureOn("eth0")
	n.kernel, n.wan = n.gateway.kernel(), n.internet.captureOn("eth0")

	in := household()
	in.Interfaces = []string{"eth0"}
	in.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.168.77.0/24"), netip.MustParsePrefix("2001:db8:77::/64")}
	in.OwnTor = true
	tor, far := n.gateway.server(":9240"), n.internet.server(":80")
	n.gateway.echo(":9353")
	n.internet.echo(":443")
	router.echo(":53")

	n.apply(compile(t, in))
	n.wants("TCP", n.talk(n.phone, internet4+":80", "", tor), phone4)
	n.wants("the box's TCP", n.talk(n.gateway, internet4+":80", "", tor), "192.168.77.2")
	n.wants("DNS", n.ask(n.phone, internet4+":53", ""), phone4)
	if got := n.silent(n.phone, internet4+":443", "") + n.silent(n.gateway, internet4+":443", ""); got != "" {
		t.Errorf("UDP was seen from %q", got)
	}
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("arrived in the internet: %q", got)
	}
	redirects := func() bool {
		seen.take()
		for range 3 { // the kernel sends few of them
			n.phone.udp(internet4+":443", "")
			time.Sleep(settle)
		}
		return strings.Contains(strings.Join(seen.take(), "\n"), "protocol 1 type 5/")
	}
	if redirects() {
		t.Error("the box sends its devices to the other router (L30)")
	}
	n.gateway.teardown(n.kernel)
	if !redirects() {
		t.Error("no redirect without rules either: this test proves nothing")
	}
	n.wan.take()

	in.Default = rules.Direct
	n.apply(compile(t, in))
	n.wants("TCP of a direct device", n.talk(n.phone, internet4+":80", "", far), "192.168.77.2")
	n.wants("UDP of a direct device", n.ask(n.phone, internet4+":443", ""), "192.168.77.2")
	n.wan.take()

	in.Mode = rules.Lockdown
	n.apply(compile(t, in))
	n.phone.udp(internet4+":443", "")
	if _, err := n.phone.dial("tcp", internet4+":80", ""); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("in lockdown: %v", err)
	}
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("arrived in the internet in lockdown: %q", got)
	}
}
