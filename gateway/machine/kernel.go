package machine

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"

	"tunic/gateway/feature"
	"tunic/gateway/ntp"
	"tunic/rules/netfilter"
)

// Kernel gives the gateway the packet filter and the network's facts.
type Kernel struct {
	*netfilter.Kernel
	seen *processes // nil: each look asks all
}

// Remembering returns a kernel for who looks around again and again: of the box's
// processes it asks those that are new, and all every five minutes.
func Remembering(k *netfilter.Kernel) Kernel {
	return Kernel{Kernel: k, seen: newProcesses("/proc")}
}

// Facts implements gateway.Kernel.
func (Kernel) Facts(_ context.Context, interfaces []string) (feature.Facts, error) {
	read, err := netfilter.Addresses(interfaces)
	if err != nil {
		return feature.Facts{}, err
	}
	_, noIPv6 := os.Stat("/proc/net/if_inet6")
	clock, err := ntp.KernelClock()
	facts := feature.Facts{Forwarding: read.Forwarding4, IPv6: noIPv6 == nil, ClockSynchronised: err == nil && clock.Trusted}
	for _, i := range read.Interfaces {
		f := feature.InterfaceFacts{Name: i.Name}
		if ifc, err := net.InterfaceByName(i.Name); err == nil {
			f.Index = ifc.Index
		}
		f.Addresses, f.Routed = withNetworks(i), i.Routed
		facts.Interfaces = append(facts.Interfaces, f)
	}
	return facts, nil
}

// withNetworks are an interface's addresses with the networks that they lie in,
// without link-local ones.
func withNetworks(i netfilter.Interface) (list []netip.Prefix) {
	for _, a := range i.Addresses {
		if !a.IsLinkLocalUnicast() {
			list = append(list, onLink(a, i.Prefixes))
		}
	}
	return list
}

// onLink returns an address with the length of the prefix that it lies in.
func onLink(a netip.Addr, prefixes []netip.Prefix) netip.Prefix {
	i := slices.IndexFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
	if i < 0 {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.PrefixFrom(a, prefixes[i].Bits())
}

// HardwareAddr implements gateway.Kernel.
func (Kernel) HardwareAddr(_ context.Context, interfaces []string, a netip.Addr) (string, error) {
	return netfilter.HardwareAddr(interfaces, a)
}

// LocalPrefixes implements gateway.Kernel.
func (Kernel) LocalPrefixes(context.Context) ([]netip.Prefix, error) {
	read, err := netfilter.Addresses(nil)
	return read.Local, err
}

// Neighbours implements gateway.Kernel.
func (Kernel) Neighbours(_ context.Context, interfaces []string) ([]feature.Neighbour, error) {
	read, err := netfilter.Neighbours(interfaces)
	if err != nil {
		return nil, err
	}
	return neighbours(read), nil
}

// CutFlows implements gateway.Kernel.
func (k Kernel) CutFlows(ctx context.Context, doomed func(mark uint32, from netip.Addr) bool) (int, error) {
	return k.Kernel.CutFlows(ctx, doomed)
}
