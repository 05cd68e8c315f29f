package lab

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

// A machine beside its household's router has one cable, the household's. The
// namespace of the gateway is the router then; devices go on using the machine.
//
//	br0 -- wan: br-wan (router) br-lan --to-lan-- lan0: machine
//	                                  -- phone, laptop, nas

// SetBeside puts a machine that is off beside a router, from the next PlugIn
// on, or back between the household and the internet.
func (l *Lab) SetBeside(ctx context.Context, gateway string, beside bool) error {
	n, err := l.machine(gateway)
	if err != nil || n.Beside == beside {
		return err
	}
	lines, settings := routerRemoved(n), []string{"1", "0"}
	if beside {
		lines, settings = routerAdded(n), []string{"0", "1"}
	}
	if err := run(ctx, "", "ip", "netns", "exec", n.Namespace, "sysctl", "-q", "-w",
		"net.ipv6.conf."+uplinkBridge+".disable_ipv6="+settings[0], "net.ipv6.conf."+n.LAN.Name+".disable_ipv6="+settings[0],
		"net.ipv4.ip_forward="+settings[1], "net.ipv6.conf.all.forwarding="+settings[1]); err != nil {
		return fmt.Errorf("making the wires of %s a router: %w", gateway, err)
	}
	// The address of the household towards the internet has another MAC now.
	err = l.apply(ctx, []batch{{Node: gateway, Lines: lines},
		{Node: RelaysNode, Lines: []string{"neigh flush all"}}, {Node: InternetNode, Lines: []string{"neigh flush all"}}})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(l.plan.Nodes, func(n Node) bool { return n.Name == gateway })
	l.plan.Nodes[i].Beside = beside
	return nil
}

func routerAdded(n Node) []string {
	wan, lan := n.Uplink, n.LAN
	wan.Name, lan.Addrs = uplinkBridge, n.routerAddrs()
	lines := slices.Concat(interfaceUp(wan), interfaceUp(lan))
	for _, via := range n.Default {
		lines = append(lines, fmt.Sprintf("route add default via %s", via))
	}
	return lines
}

func routerRemoved(n Node) []string {
	return []string{"addr flush dev " + uplinkBridge, "addr flush dev " + n.LAN.Name}
}

// routerAddrs are those of the router that a machine is beside, at home.
func (n Node) routerAddrs() []netip.Prefix { return households[n.Household-1].addrs(254) }

// MachineDefault are the default routes of a machine, IPv4 and IPv6.
func (n Node) MachineDefault() []netip.Addr {
	if !n.Beside {
		return n.Default
	}
	router := n.routerAddrs()
	return []netip.Addr{router[0].Addr(), router[2].Addr()}
}
