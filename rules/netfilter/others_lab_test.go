//go:build lab

package netfilter

import (
	"testing"

	"tunic/rules"
)

// TestOthersGoOn: a container's network and port, a VPN's client and the
// owner's port forward work before, while and after ours are there, if they are
// named. Lockdown closes them too.
func TestOthersGoOn(t *testing.T) {
	n := newNetwork(t)
	container, client := newNode(t, "docker"), newNode(t, "vpn")
	n.wire(container, "docker0", "172.17.0.1/16", "fd17::1/64")
	n.host(container, "172.17.0.2/16", "fd17::2/64", "172.17.0.1", "fd17::1")
	n.wire(client, "wg0", "10.8.0.1/24", "fd08::1/64")
	n.host(client, "10.8.0.2/24", "fd08::2/64", "10.8.0.1", "fd08::1")
	for program, lines := range map[string][2]string{
		"iptables":  {"172.16.0.0/12", "172.17.0.2:80"},
		"ip6tables": {"fd17::/64", "[fd17::2]:80"},
	} {
		n.gateway.run(program + " -t nat -A POSTROUTING -s " + lines[0] + " -o wan0 -j MASQUERADE")
		n.gateway.run(program + " -t nat -A PREROUTING -i wan0 -p tcp --dport 8081 -j DNAT --to-destination " + lines[1])
		n.gateway.run(program + " -t mangle -A FORWARD -o wan0 -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu")
		n.gateway.run(program + " -P FORWARD DROP")
		n.gateway.run(program + " -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
		n.gateway.run(program + " -A FORWARD -i docker0 -j ACCEPT")
		n.gateway.run(program + " -A FORWARD -i wg0 -o docker0 -j ACCEPT")
		n.gateway.run(program + " -A FORWARD -o docker0 -p tcp --dport 80 -j ACCEPT")
		n.gateway.run(program + " -A FORWARD -i wan0 -p tcp --dport 80 -m conntrack --ctstate DNAT -j ACCEPT")
	}
	n.gateway.run("iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 8080 -j DNAT --to-destination " + nas4 + ":80")
	far, inside, nas := n.internet.server(":80"), container.server(":80"), n.nas.server(":80")
	n.group("lan1", "lan2")
	before := n.gateway.saved()
	work := func(when string) {
		t.Helper()
		n.wants(when+" a container", n.talk(container, internet4+":80", "", far), gateway4)
		n.wants(when+" a container over IPv6", n.talk(container, "["+internet6+"]:80", "", far), gateway6)
		n.wants(when+" a container's port", n.talk(n.internet, gateway4+":8081", "", inside), internet4)
		n.wants(when+" a container's port over IPv6", n.talk(n.internet, "["+gateway6+"]:8081", "", inside), internet6)
		n.wants(when+" a VPN's client to a container", n.talk(client, "172.17.0.2:80", "", inside), "10.8.0.2")
	}
	forward := func(when string) {
		t.Helper()
		n.wants(when+" the owner's port forward", n.talk(n.internet, gateway4+":8080", "", nas), internet4)
	}
	open := household()
	open.Group, open.OwnTor = Group, true
	open.Others = []string{"docker0", "wg0"}
	closed := open
	closed.Mode = rules.Lockdown
	work("before")
	forward("before")
	n.apply(compile(t, open))
	work("open")
	forward("open")
	nothing := func(when string) {
		t.Helper()
		n.wan.take()
		container.udp(internet4+":443", "")
		container.udp("["+internet6+"]:443", "")
		client.udp(internet4+":443", "")
		if got := n.wan.take(); len(got) > 0 {
			t.Errorf("%s left: %q", when, got)
		}
		for _, address := range []string{gateway4 + ":8081", "[" + gateway6 + "]:8081", "[fd17::2]:80"} {
			if _, err := n.internet.dial("tcp", address, ""); err == nil {
				t.Errorf("%s %s is reached from the internet", when, address)
			}
		}
	}
	n.apply(compile(t, closed))
	nothing("closed")
	unnamed := open
	unnamed.Others = nil
	n.apply(compile(t, unnamed))
	nothing("named nowhere")
	forward("the other networks named nowhere,")
	n.apply(without(compile(t, unnamed), []string{layerNamed}))
	container.udp(internet4+":443", "")
	if got := n.wan.take(); len(got) == 0 {
		t.Error("without the last rule nothing left either: this test proves nothing")
	}
	n.apply(compile(t, open))
	if _, err := n.internet.dial("tcp", "[fd17::2]:80", ""); err == nil {
		t.Error("a container is reached from the internet by its own address")
	}
	n.flush()
	work("after a flush of conntrack")
	forward("after a flush of conntrack")
	n.gateway.teardown(n.kernel)
	work("after teardown")
	forward("after teardown")
	if after := n.gateway.saved(); after != before {
		t.Errorf("after teardown:\n%s\nbefore:\n%s", after, before)
	}
}
