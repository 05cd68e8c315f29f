package lab

import (
	"strings"
	"testing"
)

// Beside a router what the gateway's tor sends has an address of the household,
// and goes out by a router that is there.
func TestBeside(t *testing.T) {
	p := mustPlan(t, "x", 2)
	for i := range p.Nodes {
		p.Nodes[i].Beside = p.Nodes[i].Name == "gateway"
	}
	n, err := p.Node("gateway")
	if err != nil {
		t.Fatal(err)
	}
	for _, router := range n.MachineDefault() {
		if !onLink(n.LAN, router) {
			t.Errorf("%s, at home, cannot reach its router %s", n.Name, router)
		}
	}
	own, _, _ := strings.Cut(p.TorFilter("gateway"), ") and")
	if !strings.Contains(own, "192.168.77.1") || strings.Contains(own, "203.0.113") {
		t.Errorf("tor's own addresses are %s", own)
	}
	if foreign := p.ForeignFilter("gateway"); !strings.Contains(foreign, "not src host 203.0.113.100") {
		t.Errorf("what the router says is the gateway's: %s", foreign)
	}
	p.Nodes[3].Beside = false
	if own, _, _ := strings.Cut(p.TorFilter("gateway"), ") and"); !strings.Contains(own, "203.0.113.100") {
		t.Errorf("between the networks tor's own addresses are %s", own)
	}
	for _, line := range append(routerAdded(n), routerRemoved(n)...) {
		if strings.Contains(line, n.Uplink.Name+" ") && !strings.Contains(line, uplinkBridge) {
			t.Errorf("the router has its addresses at a port of its bridge: %s", line)
		}
	}
}
