package netfilter

import (
	"fmt"
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
