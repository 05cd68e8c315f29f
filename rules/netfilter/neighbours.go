package netfilter

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Neighbour is a device that the kernel has spoken with on a wire.
type Neighbour struct {
	MAC  string // lower case, colons
	Addr netip.Addr
}

// Neighbours returns the entries of the neighbour table with a hardware
// address, of those of the interfaces that exist.
func Neighbours(interfaces []string) ([]Neighbour, error) {
	var found []Neighbour
	for _, name := range interfaces {
		link, err := whole(func() (netlink.Link, error) { return netlink.LinkByName(name) })
		if err != nil {
			continue
		}
		entries, err := whole(func() ([]netlink.Neigh, error) {
			return netlink.NeighList(link.Attrs().Index, netlink.FAMILY_ALL)
		})
		if err != nil {
			return nil, fmt.Errorf("reading the neighbours on %q: %w", name, err)
		}
		for _, e := range entries {
			addr, ok := netip.AddrFromSlice(e.IP)
			if addr = addr.Unmap(); !ok || len(e.HardwareAddr) == 0 || e.State&lost != 0 || addr.IsMulticast() {
				continue
			}
			found = append(found, Neighbour{MAC: e.HardwareAddr.String(), Addr: addr})
		}
	}
	return found, nil
}

// HardwareAddrs returns the hardware address of each neighbour on any interface,
// lower case with colons. Link-local addresses have the interface as their
// zone. It needs no privilege.
func HardwareAddrs() (map[netip.Addr]string, error) {
	entries, err := whole(func() ([]netlink.Neigh, error) { return netlink.NeighList(0, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("reading the neighbours: %w", err)
	}
	names := make(map[int]string)
	found := make(map[netip.Addr]string, len(entries))
	for _, e := range entries {
		addr, ok := netip.AddrFromSlice(e.IP)
		if addr = addr.Unmap(); !ok || len(e.HardwareAddr) == 0 || e.State&lost != 0 {
			continue
		}
		if addr.IsLinkLocalUnicast() && addr.Is6() {
			addr = addr.WithZone(interfaceName(names, e.LinkIndex))
		}
		found[addr] = e.HardwareAddr.String()
	}
	return found, nil
}

// interfaceName is the name of an interface, "" if it went away. It remembers.
func interfaceName(names map[int]string, index int) string {
	name, ok := names[index]
	if !ok {
		if i, err := net.InterfaceByIndex(index); err == nil {
			name = i.Name
		}
		names[index] = name
	}
	return name
}

// lost are the states of entries that stand for no device.
const lost = netlink.NUD_FAILED | netlink.NUD_INCOMPLETE | netlink.NUD_NOARP

// HardwareAddr returns the MAC address, lower case with colons, of the host
// that has addr on one of the interfaces, "" if the kernel knows of none or of
// several (a link-local address means something on its own wire only).
func HardwareAddr(interfaces []string, addr netip.Addr) (string, error) {
	neighbours, err := Neighbours(interfaces)
	if err != nil {
		return "", err
	}
	found := ""
	for _, n := range neighbours {
		switch {
		case n.Addr != addr.Unmap():
		case found != "" && found != n.MAC:
			return "", nil
		default:
			found = n.MAC
		}
	}
	return found, nil
}
