//go:build lab

package netfilter

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"tunic/internal/lab/traffic"
)

// What stands around a box: another network that it forwards for (L32), another
// router on its household's cable (L31), a device with somebody else's hardware
// address (M14), a program in front of all rules (M12).
func TestLookAround(t *testing.T) {
	n := newNetwork(t)
	household := []string{"lan1", "lan2"}
	look := func() (a Surroundings) {
		t.Helper()
		var err error
		n.gateway.do(func() { a, err = ReadSurroundings(household) })
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	link := func(a Surroundings, name string) Link {
		t.Helper()
		i := slices.IndexFunc(a.Links, func(l Link) bool { return l.Name == name })
		if i < 0 {
			t.Fatalf("%s is none of %+v", name, a.Links)
		}
		return a.Links[i]
	}
	a := look()
	if len(a.Links) != 3 || len(a.Routers) > 0 || len(a.Fast) > 0 || len(a.Visits) > 0 || len(a.Firewalls) > 0 {
		t.Errorf("a box alone has around it %+v", a)
	}
	if lan, wan := link(a, "lan1"), link(a, "wan0"); !lan.Household || lan.Default || !lan.Up || !lan.Carrier || wan.Household ||
		!wan.Default {
		t.Errorf("lan1: %+v\nwan0: %+v", lan, wan)
	}
	n.phone.ip("link set eth0 down")
	if lan := link(look(), "lan1"); !lan.Up || lan.Carrier {
		t.Errorf("lan1 without a cable: %+v", lan)
	}
	n.phone.ip("link set eth0 up")
	n.gateway.ip("link set lan1 down")
	if lan := link(look(), "lan1"); lan.Up {
		t.Errorf("lan1, switched off: %+v", lan)
	}
	n.gateway.ip("link set lan1 up")
	n.gateway.ip("addr add 2001:db8:77::1/64 dev lan1 nodad")
	n.phone.ip("addr add " + phone6 + "/64 dev eth0 nodad")
	n.phone.ip("route replace default via 192.168.77.1")
	n.gateway.ip("link set lan2 name lan9 group " + fmt.Sprint(Group))
	if l := link(look(), "lan9"); !l.Household {
		t.Errorf("lan2, which is lan9 now: %+v", l)
	}

	n.gateway.ip("link add docker0 type bridge")
	n.gateway.ip("addr add 172.17.0.1/16 dev docker0")
	n.gateway.ip("link set docker0 up")
	if d := link(look(), "docker0"); d.Household || d.Default || !d.Bridge ||
		!slices.Contains(d.Prefixes, netip.MustParsePrefix("172.17.0.0/16")) {
		t.Errorf("docker0: %+v", d)
	}
	n.gateway.ip("link add port1 type veth peer name port2")
	n.gateway.ip("link set port1 master docker0")
	if p := link(look(), "port1"); !p.Port {
		t.Errorf("a port of docker0: %+v", p)
	}

	n.phone.ip("addr add 192.168.77.99/24 dev eth0")
	n.phone.run("ping -c 1 -W 1 -I 192.168.77.99 192.168.77.1")
	n.phone.run("ping -c 1 -W 1 -I " + phone4 + " 192.168.77.1")
	if a := look(); len(a.Spoken) != 2 || a.Spoken[0].MAC != phoneMAC || a.Spoken[1].MAC != phoneMAC {
		t.Errorf("spoken with: %+v", a.Spoken)
	}

	n.phone.ip("addr add fe80::99/64 dev eth0 nodad")
	advertise(t, n.phone.name, "fe80::99", phoneMAC)
	deadline := time.Now().Add(busy)
	for len(look().Routers) == 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if a := look(); !slices.Equal(a.Routers, []Neighbour{{MAC: phoneMAC, Addr: netip.MustParseAddr("fe80::99")}}) {
		t.Errorf("routers: %+v", a.Routers)
	}

	if a := look(); len(a.Ways) > 0 {
		t.Errorf("ways out in the household: %+v", a.Ways)
	}
	n.gateway.ip("route add default via " + phone4 + " table 99")
	if a := look(); !slices.Equal(a.Ways, []Neighbour{{MAC: phoneMAC, Addr: netip.MustParseAddr(phone4)}}) {
		t.Errorf("ways out in the household, with one by the phone: %+v", a.Ways)
	}
	n.gateway.ip("route del default table 99")

	n.gateway.do(func() {
		fd, err := passAll()
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		link, err := netlink.LinkByName("lan1")
		if err == nil {
			err = netlink.LinkSetXdpFd(link, fd)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if a := look(); len(a.Fast) != 1 || !strings.Contains(a.Fast[0], "XDP program on lan1") {
		t.Errorf("ways past the rules: %q", a.Fast)
	}
}

// Who is connected to a server of the box is known; who was, is not.
func TestVisits(t *testing.T) {
	n := newNetwork(t)
	n.gateway.server(":22")
	n.gateway.server("[::1]:80")
	c, err := n.internet.reach("tcp", gateway4+":22", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.gateway.reach("tcp", "[::1]:80", ""); err != nil {
		t.Fatal(err)
	}
	look := func() (a Surroundings) {
		n.gateway.do(func() { a, err = ReadSurroundings(nil) })
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if got := look().Visits; !slices.Equal(got, []Visit{{22, netip.MustParseAddr(internet4)}}) {
		t.Errorf("connected: %+v", got)
	}
	c.Close()
	deadline := time.Now().Add(busy)
	for len(look().Visits) > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if got := look().Visits; len(got) > 0 {
		t.Errorf("connected at the end: %+v", got)
	}
}

// Another program that refuses by default is named, until a rule of it speaks of
// the household's interface.
func TestFirewalls(t *testing.T) {
	n := newNetwork(t)
	n.apply(compile(t, household()))
	look := func() []Firewall {
		t.Helper()
		var a Surroundings
		var err error
		n.gateway.do(func() { a, err = ReadSurroundings([]string{"lan1", "lan2"}) })
		if err != nil {
			t.Fatal(err)
		}
		return a.Firewalls
	}
	wants := func(when string, want ...Firewall) {
		t.Helper()
		if got := look(); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	wants("at first")
	for _, tool := range []string{"iptables", "ip6tables"} {
		n.gateway.run(tool + " -P INPUT DROP")
		n.gateway.run(tool + " -P FORWARD DROP")
		n.gateway.run(tool + " -N ufw-user-forward")
	}
	if got := look(); len(got) != 1 || got[0].Program != "ufw" || got[0].Hook != "forward" || got[0].Chain != "FORWARD" {
		t.Errorf("ufw: %+v", got)
	}
	for _, tool := range []string{"iptables", "ip6tables"} {
		n.gateway.run(tool + " -A FORWARD -j ufw-user-forward")
		n.gateway.run(tool + " -A ufw-user-forward -i lan1 -j ACCEPT")
	}
	wants("ufw that knows the household")
	n.gateway.run("nft add table inet mine")
	n.gateway.run("nft add chain inet mine in { type filter hook input priority 5; policy drop; }")
	n.gateway.run("nft add chain inet mine out { type filter hook output priority 5; policy drop; }")
	n.gateway.run("nft add chain inet mine fine { type filter hook forward priority 5; policy accept; }")
	n.gateway.run("nft add table inet firewalld")
	n.gateway.run("nft add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; }")
	mine := "the table inet mine"
	wants("tables of their own", Firewall{"firewalld", "forward", "inet firewalld", "filter_FORWARD"},
		Firewall{mine, "input", "inet mine", "in"}, Firewall{mine, "output", "inet mine", "out"})
	n.gateway.run("nft insert rule inet mine in iifname lan1 ct status dnat accept")
	wants("and one that knows the household", Firewall{"firewalld", "forward", "inet firewalld", "filter_FORWARD"})
}

// advertise sends a router advertisement (RFC 4861, section 4.2) with the
// sender's hardware address.
func advertise(t testing.TB, namespace, from, mac string) {
	t.Helper()
	hw := make([]byte, 0, 6)
	for part := range strings.SplitSeq(mac, ":") {
		var b byte
		for _, c := range []byte(part) {
			b = b<<4 | byte(strings.IndexByte("0123456789abcdef", c))
		}
		hw = append(hw, b)
	}
	message := append([]byte{134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, hw...)
	p := traffic.Control(netip.MustParseAddr(from), netip.MustParseAddr("ff02::1"), traffic.ICMPv6, message)
	p.TTL = 255
	if err := (traffic.Host{Namespace: namespace}).On("eth0").Send(p.Bytes()); err != nil {
		t.Error(err)
	}
}

// passAll loads a program for XDP that passes every packet (bpf(2)).
func passAll() (int, error) {
	program := []uint64{0x00000002_000000b7, 0x95} // r0 = XDP_PASS; exit
	license := []byte("GPL\x00")
	attr := struct {
		kind, count           uint32
		instructions, license uint64
		rest                  [14]uint64
	}{kind: unix.BPF_PROG_TYPE_XDP, count: uint32(len(program)),
		instructions: uint64(uintptr(unsafe.Pointer(&program[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0])))}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
