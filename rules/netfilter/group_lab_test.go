//go:build lab

package netfilter

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tunic/rules"
)

// group puts interfaces into their group.
func (n *network) group(household ...string) {
	n.t.Helper()
	var group uint32
	var err error
	n.gateway.do(func() { group, err = n.kernel.Group(n.t.Context(), household) })
	if err != nil || group != Group {
		n.t.Fatalf("Group: %#x, %v", group, err)
	}
}

func (n *network) grouped() string {
	n.t.Helper()
	var names []string
	for _, line := range strings.Split(strings.TrimSpace(n.gateway.run("ip -o link show group 7632238")), "\n") {
		if words := strings.Fields(line); len(words) > 1 {
			names = append(names, strings.TrimSuffix(words[1][:strings.IndexAny(words[1]+"@", "@:")], ":"))
		}
	}
	return strings.Join(names, " ")
}

// TestGroup: the household's interfaces are in the group, one that was renamed
// stays in it, and nobody else's is touched.
func TestGroup(t *testing.T) {
	n := newNetwork(t)
	n.gateway.ip("link add docker0 type bridge")
	n.gateway.ip("link add mine type bridge")
	n.gateway.ip("link set mine group 7")
	want := func(what, names string) {
		t.Helper()
		if got := n.grouped(); got != names {
			t.Errorf("%s: in the group are %q, want %q", what, got, names)
		}
	}
	n.group("lan1", "lan2", "mine", "later")
	want("at first", "lan1 lan2")
	n.gateway.ip("link set lan2 down")
	n.gateway.ip("link set lan2 name new2")
	n.group("lan1", "lan2")
	want("renamed", "lan1 new2")
	n.group("lan1", "new2")
	want("configured", "lan1 new2")
	n.group("lan1")
	want("no longer the household's", "lan1")
	n.gateway.teardown(n.kernel)
	want("after teardown", "")
	if got := n.gateway.run("ip -o link show mine"); !strings.Contains(got, "group 7") {
		t.Errorf("the owner's group is gone: %s", got)
	}
}

// TestRenamed: a household interface that gets another name is the household's
// still: its devices go through Tor, nothing of them leaves, nobody reaches
// them, and what others have on the box goes on (L17, L29, M04).
func TestRenamed(t *testing.T) {
	n := newNetwork(t)
	guest := newNode(t, "guest") // a container of somebody's
	n.wire(guest, "docker0", "172.17.0.1/16", "fd17::1/64")
	n.host(guest, "172.17.0.2/16", "fd17::2/64", "172.17.0.1", "fd17::1")
	n.gateway.run("iptables -t nat -A POSTROUTING -s 172.17.0.0/16 -o wan0 -j MASQUERADE")
	n.gateway.run("iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:80")
	n.gateway.run("iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 8080 -j DNAT --to-destination " + phone4 + ":80")
	tor, far := n.gateway.server(":9240"), n.internet.server(":80")
	container, phone := guest.server(":80"), n.phone.server(":80")
	n.gateway.server(":22")
	n.gateway.echo(":9353")
	n.group("lan1", "lan2")
	in := household()
	in.Group, in.Others = Group, []string{"docker0"}
	set := compile(t, in)
	n.apply(set)
	n.gateway.ip("link set lan1 name new1")
	n.phone.ip("neigh flush dev eth0")

	seen := n.phone.captureOn("eth0")
	forge := func() []string {
		n.wan.take()
		n.phone.udp(internet4+":443", stranger4)
		n.phone.udp("["+internet6+"]:443", stranger6)
		n.phone.segment(stranger4, internet4, 0x11)
		n.phone.dial("tcp", "192.168.77.1:22", stranger4)
		n.phone.udp(internet4+":443", phone4)
		n.phone.raw(unix.IPPROTO_ICMPV6, internet6, []byte{128, 0, 0, 0, 0, 1, 0, 1})
		return n.wan.take()
	}
	inbound := func() []string {
		seen.take()
		n.internet.udp("["+phone6+"]:9", "")
		n.internet.dial("tcp", "["+phone6+"]:80", "")
		return seen.take()
	}
	if got := forge(); len(got) > 0 {
		t.Errorf("arrived in the internet: %q", got)
	}
	if got := inbound(); len(got) > 0 {
		t.Errorf("arrived at the phone: %q", got)
	}
	n.wants("TCP of the phone", n.talk(n.phone, internet4+":80", phone4, tor), phone4)
	n.wants("TCP of the phone over IPv6", n.talk(n.phone, "["+internet6+"]:80", phone6, tor), phone6)
	n.wants("DNS of the phone", n.ask(n.phone, internet4+":53", phone4), phone4)
	n.wants("the owner's port forward", n.talk(n.internet, gateway4+":8080", "", phone), internet4)
	n.wants("a container's TCP", n.talk(guest, internet4+":80", "", far), gateway4)
	n.wants("a container's port", n.talk(n.internet, gateway4+":8081", "", container), internet4)

	n.apply(without(set, []string{`--(src|dst)-group`}))
	n.raze()
	if got := inbound(); len(got) > 0 {
		t.Errorf("without the group arrived at the phone: %q", got)
	}
	if got := forge(); len(got) > 0 {
		t.Errorf("without the group a forged packet left, by an interface that nobody has named: %q", got)
	}
	n.apply(without(set, []string{`--(src|dst)-group`, `^TUNIC-FORWARD -j DROP$`}))
	n.raze()
	if got := forge(); len(got) == 0 {
		t.Error("without the group, the last word and the wall no forged packet left either: this test proves nothing")
	}
	n.apply(without(set, []string{`--(src|dst)-group`, `^TUNIC-FORWARD (-d .*-g TUNIC-TO|-j DROP)$`}))
	n.raze()
	if got := inbound(); len(got) == 0 {
		t.Error("without all rules for it nothing arrived at the phone either: this test proves nothing")
	}
	closed := in
	closed.Mode = rules.Lockdown
	n.apply(compile(t, closed))
	n.flush() // the box repeats its answer to the stranger, whose connection began when no rule marked it
	if got := append(forge(), inbound()...); len(got) > 0 {
		t.Errorf("in lockdown passed: %q", got)
	}
}
