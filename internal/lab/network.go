package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The wiring:
//
//	relays ----.
//	internet --+-- br0 (node net) --+-- wan: gateway :br-lan --+-- phone, laptop, nas
//	                                |-- wan: friend  :br-lan ---- friend-laptop
//	                                '-- wan: c-gateway :br-lan -- c-laptop
//
// The ports of br0 are called like the node at their other end; so are the
// ports of br-lan.

// batch is input for `ip -batch` in one node's namespace.
type batch struct {
	Node  string
	Lines []string
}

// sysctls returns the kernel settings of a node, made before it has links.
func sysctls(n Node) []string {
	if n.Role == Switch || n.Machine {
		return []string{"net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"}
	}
	set := []string{
		"net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
		"net.ipv6.conf.all.accept_ra=0", "net.ipv6.conf.default.accept_ra=0",
	}
	if n.Role == Gateway { // the worst case: a packet that tunic's rules miss is forwarded
		set = append(set, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.forwarding=1")
	}
	return set
}

// links makes all bridges and cables. Switch ports are up at the end, and the
// interfaces at the nodes' side are still down: a capture that begins now sees
// the first packet.
func links(p Plan) []batch {
	sw := batch{Node: SwitchNode, Lines: []string{"link add br0 type bridge stp_state 0 mcast_snooping 0", "link set br0 up"}}
	batches := []batch{}
	for _, n := range p.Nodes {
		switch n.Role {
		case Relays, Internet, Gateway:
			sw.Lines = append(sw.Lines, cable(n, "br0")...)
		}
		if n.Role == Gateway {
			lan := batch{Node: n.Name, Lines: gatewayBridges(n)}
			for _, d := range p.WithRole(Device) {
				if d.Household == n.Household {
					lan.Lines = append(lan.Lines, cable(d, n.LAN.Name)...)
				}
			}
			batches = append(batches, lan)
		}
	}
	return append([]batch{sw}, batches...)
}

func cable(n Node, bridge string) []string {
	mac := " address " + n.Uplink.MAC
	if n.Machine { // which has the address itself
		mac = ""
	}
	return []string{
		fmt.Sprintf("link add %s type veth peer name %s%s netns %s", n.Name, n.Uplink.Name, mac, n.Namespace),
		fmt.Sprintf("link set %s master %s", n.Name, bridge),
		fmt.Sprintf("link set %s up", n.Name),
	}
}

// addresses brings all nodes up with their addresses and routes.
func addresses(p Plan) []batch {
	var batches []batch
	for _, n := range p.Nodes {
		if n.Role == Switch {
			continue
		}
		if n.Machine {
			batches = append(batches, panelUp(n))
			continue
		}
		b := batch{Node: n.Name, Lines: []string{"link set lo up"}}
		b.Lines = append(b.Lines, interfaceUp(n.Uplink)...)
		if n.Role == Gateway {
			b.Lines = append(b.Lines, interfaceUp(n.LAN)...)
		}
		for _, via := range n.Default {
			b.Lines = append(b.Lines, fmt.Sprintf("route add default via %s", via))
		}
		if n.Role == Relays || n.Role == Internet {
			b.Lines = append(b.Lines, householdRoutes(p)...)
		}
		batches = append(batches, b)
	}
	return batches
}

func interfaceUp(i Interface) []string {
	lines := []string{fmt.Sprintf("link set %s up", i.Name)}
	for _, a := range i.Addrs {
		line := fmt.Sprintf("addr add %s dev %s", a, i.Name)
		if a.Addr().Is6() {
			line += " nodad"
		}
		lines = append(lines, line)
	}
	return lines
}

// householdRoutes lets the internet answer a household's own addresses, so
// that a leak is a conversation and not one lost packet.
func householdRoutes(p Plan) []string {
	var lines []string
	for _, g := range p.WithRole(Gateway) {
		for _, lan := range g.LAN.Addrs {
			via := g.Uplink.Addrs[0].Addr()
			if lan.Addr().Is6() {
				via = g.Uplink.Addrs[1].Addr()
			}
			lines = append(lines, fmt.Sprintf("route add %s via %s", lan.Masked(), via))
		}
	}
	return lines
}

// makeNamespaces makes an empty namespace with its resolv.conf for each node.
func (l *Lab) makeNamespaces(ctx context.Context) error {
	for _, n := range l.plan.Nodes {
		if err := writeResolvConf(n); err != nil {
			return err
		}
		if err := run(ctx, "", "ip", "netns", "add", n.Namespace); err != nil {
			return fmt.Errorf("making namespace %s: %w", n.Namespace, err)
		}
		args := append([]string{"netns", "exec", n.Namespace, "sysctl", "-q", "-w"}, sysctls(n)...)
		if err := run(ctx, "", "ip", args...); err != nil {
			return fmt.Errorf("setting kernel options of %s: %w", n.Name, err)
		}
	}
	return nil
}

// apply runs the batches one after the other.
func (l *Lab) apply(ctx context.Context, batches []batch) error {
	for _, b := range batches {
		n, err := l.plan.Node(b.Node)
		if err != nil {
			return err
		}
		if err := run(ctx, strings.Join(b.Lines, "\n")+"\n", "ip", "-n", n.Namespace, "-batch", "-"); err != nil {
			return fmt.Errorf("wiring %s: %w", b.Node, err)
		}
	}
	return nil
}

// etcNetns is where `ip netns exec` looks for a namespace's own /etc files.
const etcNetns = "/etc/netns"

func writeResolvConf(n Node) error {
	if !n.Resolver.IsValid() {
		return nil
	}
	dir := filepath.Join(etcNetns, n.Namespace)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	text := fmt.Sprintf("nameserver %s\n", n.Resolver)
	if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing resolv.conf of %s: %w", n.Name, err)
	}
	return nil
}

// run runs a short command; what it prints is in the error.
func run(ctx context.Context, stdin, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if text := strings.TrimSpace(string(out)); text != "" {
		err = errors.New(text)
	}
	return fmt.Errorf("running %s: %w", name, err)
}
