//go:build lab

package netfilter

import (
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
	look := func() (a Around) {
		t.Helper()
		var err error
		n.gateway.do(func() { a, err = LookAround(household) })
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := look(); len(a.Networks) > 0 || len(a.Routers) > 0 || len(a.Fast) > 0 {
		t.Errorf("a box alone has around it %+v", a)
	}

	n.gateway.ip("link add docker0 type bridge")
	n.gateway.ip("addr add 172.17.0.1/16 dev docker0")
	n.gateway.ip("link set docker0 up")
	if a := look(); len(a.Networks) != 1 || a.Networks[0].Name != "docker0" || !slices.Contains(a.Networks[0].Prefixes, netip.MustParsePrefix("172.17.0.0/16")) {
		t.Errorf("networks: %+v", a.Networks)
	}

	n.phone.ip("addr add 192.168.77.99/24 dev eth0")
	n.phone.run("ping -c 1 -W 1 -I 192.168.77.99 192.168.77.1")
	n.phone.run("ping -c 1 -W 1 -I " + phone4 + " 192.168.77.1")
	if a := look(); len(a.Spoken) != 2 || a.Spoken[0].MAC != phoneMAC || a.Spoken[1].MAC != phoneMAC {
		t.Errorf("spoken with: %+v", a.Spoken)
	}

	n.phone.ip("addr add fe80::99/64 dev eth0 nodad")
	advertise(t, n.phone.name, "fe80::99", phoneMAC)
	deadline := time.Now().Add(3 * time.Second)
	for len(look().Routers) == 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if a := look(); !slices.Equal(a.Routers, []Neighbour{{MAC: phoneMAC, Addr: netip.MustParseAddr("fe80::99")}}) {
		t.Errorf("routers: %+v", a.Routers)
	}

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
