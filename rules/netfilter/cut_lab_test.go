//go:build lab

package netfilter

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"tunic/rules"
)

const nasMAC = "02:00:00:00:78:20"

// bothDirect is the household whose two devices go direct.
func bothDirect() rules.Input {
	in := household()
	in.Devices = []rules.Device{{MAC: phoneMAC, Policy: rules.Direct}, {MAC: nasMAC, Policy: rules.Direct}}
	return in
}

// flow is an open connection to the internet.
type flow struct {
	name     string
	from     *node
	near, at net.Conn
}

func (n *network) flow(name string, from *node, address, source string) flow {
	n.t.Helper()
	c, err := from.reach("tcp", address, source)
	if err != nil {
		n.t.Fatalf("%s: %v", name, err)
	}
	f := flow{name, from, c, n.accepted()}
	if f.at == nil || !from.passes(c, f.at) {
		n.t.Fatalf("%s: the connection is not open", name)
	}
	n.t.Cleanup(func() { f.at.Close() })
	return f
}

// neighbours are the addresses of a device in the gateway's neighbour table.
func (n *network) neighbours(mac string) []netip.Addr {
	n.t.Helper()
	var list []Neighbour
	var err error
	n.gateway.do(func() { list, err = Neighbours([]string{"lan1", "lan2"}) })
	if err != nil {
		n.t.Fatal(err)
	}
	var addrs []netip.Addr
	for _, e := range list {
		if e.MAC == mac {
			addrs = append(addrs, e.Addr)
		}
	}
	return addrs
}

// TestCutOneDevice: when one of two direct devices has to use Tor, its
// connections end, also one from an IPv6 privacy address that the gateway has
// forgotten; those of the other go on.
func TestCutOneDevice(t *testing.T) {
	const privacy = "2001:db8:77::abcd"
	n := newNetwork(t)
	n.nas.ip("link set eth0 address " + nasMAC)
	n.nas.ip("-6 route replace default via 2001:db8:78::1 dev eth0") // the new address took its routes along
	n.phone.ip("addr add " + privacy + "/64 dev eth0 nodad")
	n.far = n.internet.server(":8080")
	before, after := bothDirect(), bothDirect()
	after.Devices = after.Devices[1:]
	n.apply(compile(t, before))
	lost := []flow{
		n.flow("IPv4", n.phone, internet4+":8080", phone4),
		n.flow("IPv6", n.phone, "["+internet6+"]:8080", phone6),
		n.flow("a ULA", n.phone, "["+internet6+"]:8080", phoneULA),
		n.flow("a privacy address", n.phone, "["+internet6+"]:8080", privacy),
	}
	kept := []flow{
		n.flow("the other's IPv4", n.nas, internet4+":8080", nas4),
		n.flow("the other's IPv6", n.nas, "["+internet6+"]:8080", nas6),
	}
	n.gateway.ip("-6 neigh del " + privacy + " dev lan1")
	spared := n.neighbours(nasMAC)
	if slices.Contains(n.neighbours(phoneMAC), netip.MustParseAddr(privacy)) || len(spared) < 2 {
		t.Fatalf("the gateway knows %v of the phone and %v of the other", n.neighbours(phoneMAC), spared)
	}

	n.apply(compile(t, after))
	cuts := rules.Cuts(before, after)
	if len(cuts) != 2 || cuts[1].Mark != rules.Direct || cuts[1].Spares(phoneMAC) || !cuts[1].Spares(nasMAC) {
		t.Fatalf("cuts: %+v", cuts)
	}
	var but []string
	for _, a := range spared {
		but = append(but, a.String())
	}
	n.wan.take()
	n.cut(rules.Direct, but...)
	for _, f := range lost {
		if f.from.leaks(f.near, f.at) {
			t.Errorf("%s goes on in clear", f.name)
		}
	}
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("arrived in the internet: %q", got)
	}
	for _, f := range kept {
		if !f.from.passes(f.near, f.at) || !f.from.passes(f.at, f.near) {
			t.Errorf("%s ended too", f.name)
		}
	}
}
