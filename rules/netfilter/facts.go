package netfilter

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// Facts is what the kernel says about the box's networks.
type Facts struct {
	Interfaces  []Interface    // those asked for, in that order
	Local       []netip.Prefix // networks of all interfaces and routes but the default ones: no virtual range may overlap them
	Forwarding4 bool           // the box forwards IPv4
	Forwarding6 bool           // the box forwards IPv6
}

// Interface is one network interface. One that does not exist has only a name.
type Interface struct {
	Name      string
	Exists    bool
	Up        bool           // switched on; the cable may still be out
	Addresses []netip.Addr   // the box's own there, link-local ones too
	Prefixes  []netip.Prefix // the networks on its wire, masked, without IPv6 link-local
	Routed    []netip.Prefix // the networks that hosts on its wire lead to, but not half of the internet or more
}

// Addresses reads the facts. An interface that does not exist is no error.
func Addresses(interfaces []string) (Facts, error) {
	var facts Facts
	for _, name := range interfaces {
		i, err := readInterface(name)
		if err != nil {
			return Facts{}, fmt.Errorf("reading interface %q: %w", name, err)
		}
		facts.Interfaces = append(facts.Interfaces, i)
	}
	var err error
	if facts.Local, err = localPrefixes(); err != nil {
		return Facts{}, fmt.Errorf("reading local networks: %w", err)
	}
	if facts.Forwarding4, err = forwards("ipv4/ip_forward"); err != nil {
		return Facts{}, fmt.Errorf("reading whether the box forwards: %w", err)
	}
	if facts.Forwarding6, err = forwards("ipv6/conf/all/forwarding"); err != nil {
		return Facts{}, fmt.Errorf("reading whether the box forwards: %w", err)
	}
	return facts, nil
}

func readInterface(name string) (Interface, error) {
	i := Interface{Name: name}
	link, err := whole(func() (netlink.Link, error) { return netlink.LinkByName(name) })
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return i, nil
	}
	if err != nil {
		return i, err
	}
	i.Exists, i.Up = true, link.Attrs().Flags&net.FlagUp != 0
	addrs, err := whole(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return i, err
	}
	for _, a := range addrs {
		p := toPrefix(a.IPNet)
		if !p.IsValid() {
			continue
		}
		i.Addresses = append(i.Addresses, p.Addr())
		if !p.IsSingleIP() && !linkLocal6(p) {
			i.Prefixes = append(i.Prefixes, p.Masked())
		}
	}
	i.Prefixes = sortedPrefixes(i.Prefixes)
	if i.Routed, err = routedBy(link); err != nil {
		return i, err
	}
	return i, nil
}

// routedBy are the networks behind other hosts of one interface, by the main table.
func routedBy(link netlink.Link) ([]netip.Prefix, error) {
	routes, err := whole(func() ([]netlink.Route, error) { return netlink.RouteList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, err
	}
	var list []netip.Prefix
	for _, r := range routes {
		if p := toPrefix(r.Dst).Masked(); r.Gw != nil && p.IsValid() && p.Bits() >= 4 {
			list = append(list, p)
		}
	}
	return sortedPrefixes(list), nil
}

// Via is the interface by which this host would reach an address now, and the neighbour
// that leads there; the zero Addr if it is on the wire itself.
func Via(to netip.Addr) (iface string, by netip.Addr, err error) {
	routes, err := netlink.RouteGet(to.AsSlice())
	if err != nil || len(routes) == 0 {
		return "", netip.Addr{}, fmt.Errorf("the way to %v: %w", to, cmp.Or(err, errNoRoute))
	}
	link, err := netlink.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return "", netip.Addr{}, fmt.Errorf("the way to %v: %w", to, err)
	}
	gw, _ := netip.AddrFromSlice(routes[0].Gw)
	return link.Attrs().Name, gw.Unmap(), nil
}

var errNoRoute = errors.New("there is none")

// localPrefixes leaves out routes that take half of the internet or more, as
// default routes and some tunnels do: every range overlaps those.
func localPrefixes() ([]netip.Prefix, error) {
	addrs, err := whole(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, err
	}
	routes, err := whole(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, err
	}
	var prefixes []netip.Prefix
	for _, a := range addrs {
		prefixes = append(prefixes, toPrefix(a.IPNet).Masked())
	}
	for _, r := range routes {
		prefixes = append(prefixes, toPrefix(r.Dst).Masked())
	}
	prefixes = slices.DeleteFunc(prefixes, func(p netip.Prefix) bool {
		return !p.IsValid() || p.Bits() < 4 || linkLocal6(p)
	})
	return sortedPrefixes(prefixes), nil
}

// whole repeats a dump that the kernel interrupted: what it gave until then is
// not all.
func whole[T any](dump func() (T, error)) (T, error) {
	for range attempts - 1 {
		if got, err := dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return got, err
		}
	}
	return dump()
}

// toPrefix returns the zero Prefix for nil.
func toPrefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	ones, size := n.Mask.Size()
	if !ok || size == 0 {
		return netip.Prefix{}
	}
	if size == 32 {
		addr = addr.Unmap()
	}
	return netip.PrefixFrom(addr, ones)
}

func linkLocal6(p netip.Prefix) bool { return p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() }

func sortedPrefixes(prefixes []netip.Prefix) []netip.Prefix {
	return slices.Compact(slices.SortedFunc(slices.Values(prefixes), netip.Prefix.Compare))
}

// forwards reads a switch below /proc/sys/net; a family that the kernel does
// not have is off.
func forwards(name string) (bool, error) {
	text, err := os.ReadFile("/proc/sys/net/" + name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return strings.TrimSpace(string(text)) != "0", err
}
