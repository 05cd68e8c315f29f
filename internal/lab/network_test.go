package lab

import (
	"slices"
	"strings"
	"testing"
)

func TestLinksLeaveUplinksDown(t *testing.T) {
	p := mustPlan(t, "x", 2)
	for _, b := range links(p) {
		for _, line := range b.Lines {
			if strings.HasSuffix(line, " up") && (strings.Contains(line, " wan ") || strings.Contains(line, " eth0 ")) {
				t.Errorf("%s: %q comes before the captures run", b.Node, line)
			}
		}
	}
}

func TestLinksStayInNamespaces(t *testing.T) {
	for _, b := range links(mustPlan(t, "x", 3)) {
		for _, line := range b.Lines {
			if strings.Contains(line, "type veth") && !strings.Contains(line, " netns tunic-x-") {
				t.Errorf("%s: the other end of %q is nowhere", b.Node, line)
			}
		}
	}
}

func TestAddressLines(t *testing.T) {
	for _, c := range []struct{ node, want string }{
		{"phone", "addr add 192.168.77.10/24 dev eth0"},
		{"phone", "addr add fd77::10/64 dev eth0 nodad"},
		{"phone", "route add default via 192.168.77.1"},
		{"phone", "route add default via 2001:db8:77::1"},
		{"gateway", "addr add 192.168.77.1/24 dev br-lan"},
		{"gateway", "route add default via 203.0.113.254"},
		{"internet", "route add 192.168.78.0/24 via 203.0.113.101"},
		{"relays", "route add 2001:db8:77::/64 via 2001:db8::100"},
		{"internet", "addr add 8.8.8.8/32 dev eth0"},
	} {
		found := false
		for _, b := range addresses(mustPlan(t, "x", 2)) {
			found = found || b.Node == c.node && slices.Contains(b.Lines, c.want)
		}
		if !found {
			t.Errorf("%s lacks %q", c.node, c.want)
		}
	}
}

func TestOnlyGatewaysForward(t *testing.T) {
	for _, n := range mustPlan(t, "x", 3).Nodes {
		forwards := slices.Contains(sysctls(n), "net.ipv4.ip_forward=1")
		if forwards != (n.Role == Gateway) {
			t.Errorf("%s forwards: %v", n.Name, forwards)
		}
	}
}

// The wires of a machine say nothing themselves: they have no address, and not
// the hardware addresses that the machine brings.
func TestMachineWiresAreSilent(t *testing.T) {
	p, err := mustPlan(t, "x", 2).withMachines([]string{"gateway"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := p.Node("gateway")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range append(links(p), addresses(p)...) {
		for _, line := range b.Lines {
			if strings.Contains(line, n.Uplink.MAC) || strings.Contains(line, n.LAN.MAC) ||
				b.Node == "gateway" && strings.HasPrefix(line, "addr add") {
				t.Errorf("%s: %q", b.Node, line)
			}
		}
	}
	if set := sysctls(n); !slices.Contains(set, "net.ipv6.conf.all.disable_ipv6=1") || slices.Contains(set, "net.ipv4.ip_forward=1") {
		t.Errorf("the kernel's settings are %v", set)
	}
}
