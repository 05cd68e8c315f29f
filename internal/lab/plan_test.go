package lab

import (
	"net/netip"
	"strings"
	"testing"

	"tunic/gateway/config"
)

func mustPlan(t *testing.T, id string, n int) Plan {
	t.Helper()
	p, err := NewPlan(id, n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNewPlanRefuses(t *testing.T) {
	for _, c := range []struct {
		id string
		n  int
	}{{"", 2}, {"UPPER", 2}, {"a-b", 2}, {"ninechars", 2}, {"../x", 2}, {"ok", 1}, {"ok", 4}} {
		if _, err := NewPlan(c.id, c.n); err == nil {
			t.Errorf("NewPlan(%q, %d) was accepted", c.id, c.n)
		}
	}
}

func TestPlanNodes(t *testing.T) {
	for _, c := range []struct {
		n    int
		want string
	}{
		{2, "net relays internet gateway phone laptop nas friend friend-laptop"},
		{3, "net relays internet gateway phone laptop nas friend friend-laptop c-gateway c-laptop"},
	} {
		var names []string
		for _, n := range mustPlan(t, "x", c.n).Nodes {
			names = append(names, n.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%d households have %s, want %s", c.n, got, c.want)
		}
	}
}

// An address, a hardware address or an interface name that is there twice, or
// too long, would make a lab that fails in strange ways.
func TestPlanIsConsistent(t *testing.T) {
	p := mustPlan(t, "longname", 3)
	seen := map[string]string{}
	use := func(what, who string) {
		if other := seen[what]; other != "" {
			t.Errorf("%s has %s, which is %s's", who, what, other)
		}
		seen[what] = who
	}
	for _, n := range p.Nodes {
		use(n.Namespace, n.Name)
		if len(n.Name) > 15 {
			t.Errorf("%s is too long for the name of a port", n.Name)
		}
		for _, i := range []Interface{n.Uplink, n.LAN} {
			if i.MAC != "" {
				use(i.MAC, n.Name)
			}
			for _, a := range i.Addrs {
				use(a.Addr().String(), n.Name)
			}
		}
		for _, via := range n.Default {
			if !onLink(n.Uplink, via) {
				t.Errorf("%s cannot reach its router %s", n.Name, via)
			}
		}
	}
}

func onLink(i Interface, addr netip.Addr) bool {
	for _, a := range i.Addrs {
		if a.Masked().Contains(addr) {
			return true
		}
	}
	return false
}

func TestPlanAddresses(t *testing.T) {
	p := mustPlan(t, "x", 3)
	for _, c := range []struct{ node, addr, mac string }{
		{"gateway", "203.0.113.100/24 2001:db8::100/64", "02:00:00:0a:01:00"},
		{"phone", "192.168.77.10/24 fd77::10/64 2001:db8:77::10/64", "02:00:00:0a:00:10"},
		{"nas", "192.168.77.20/24 fd77::20/64 2001:db8:77::20/64", "02:00:00:0a:00:20"},
		{"friend-laptop", "192.168.78.10/24 fd78::10/64 2001:db8:78::10/64", "02:00:00:0b:00:10"},
		{"c-gateway", "203.0.113.102/24 2001:db8::102/64", "02:00:00:0c:01:02"},
	} {
		n, err := p.Node(c.node)
		if err != nil {
			t.Fatal(err)
		}
		var addrs []string
		for _, a := range n.Uplink.Addrs {
			addrs = append(addrs, a.String())
		}
		if got := strings.Join(addrs, " "); got != c.addr || n.Uplink.MAC != c.mac {
			t.Errorf("%s has %s and %s, want %s and %s", c.node, got, n.Uplink.MAC, c.addr, c.mac)
		}
	}
}

func TestMachinesAreGateways(t *testing.T) {
	p, err := mustPlan(t, "x", 2).withMachines([]string{"gateway"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Nodes {
		if n.Machine != (n.Name == "gateway") {
			t.Errorf("%s is a machine: %v", n.Name, n.Machine)
		}
	}
	if _, err := p.withMachines([]string{"phone"}); err == nil {
		t.Error("a phone is a gateway")
	}
}

func TestUnknownNodeListsAll(t *testing.T) {
	_, err := mustPlan(t, "x", 2).Node("fridge")
	if err == nil || !strings.Contains(err.Error(), "gateway, phone, laptop, nas, friend, friend-laptop") {
		t.Errorf("the error is %v", err)
	}
}

func TestSocketPathsAreShort(t *testing.T) {
	for _, base := range []string{DefaultBase, "/" + strings.Repeat("d", 60)} {
		l := &Lab{plan: mustPlan(t, "longname", 3), dir: base + "/longname"}
		err := checkPaths(l)
		if base == DefaultBase && err != nil {
			t.Errorf("the default directory is refused: %v", err)
		}
		if base != DefaultBase && err == nil {
			t.Errorf("paths of %d bytes are accepted", len(config.NewPaths(l.Root("c-gateway")).Front(longestOnion)))
		}
	}
}
