package netfilter

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Around is what the kernel knows of the box's surroundings that no rule of
// ours can hold: ways around the box, and ways past its rules.
type Around struct {
	Networks []Interface // switched on, with networks that are neither the household's nor an uplink's
	Routers  []Neighbour // hosts of the household that say they are IPv6 routers (RFC 4861, section 4.4)
	Spoken   []Neighbour // IPv4 devices of the household that the box has just spoken with
	Fast     []string    // what lets packets past the rules, in words: "the flowtable ft of inet fw4"
}

// LookAround reads it; household are the names of its interfaces.
func LookAround(household []string) (Around, error) {
	var a Around
	links, err := whole(netlink.LinkList)
	if err != nil {
		return a, fmt.Errorf("reading the interfaces: %w", err)
	}
	uplinks, err := defaultRoutes()
	if err != nil {
		return a, fmt.Errorf("reading the default routes: %w", err)
	}
	for _, l := range links {
		attrs := l.Attrs()
		if x := attrs.Xdp; x != nil && x.Attached {
			a.Fast = append(a.Fast, "an XDP program on "+attrs.Name)
		}
		if slices.Contains(household, attrs.Name) {
			if err := a.lookAt(attrs); err != nil {
				return a, fmt.Errorf("reading the neighbours on %q: %w", attrs.Name, err)
			}
			continue
		}
		if attrs.Flags&net.FlagLoopback != 0 || attrs.MasterIndex != 0 || uplinks[attrs.Index] {
			continue
		}
		if i, err := readInterface(attrs.Name); err == nil && i.Up && len(i.Prefixes) > 0 {
			a.Networks = append(a.Networks, i)
		}
	}
	tables, err := flowtables()
	a.Fast = append(a.Fast, tables...)
	return a, err
}

// defaultRoutes are the indexes of interfaces with a route to everywhere.
func defaultRoutes() (map[int]bool, error) {
	routes, err := whole(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, err
	}
	found := make(map[int]bool)
	for _, r := range routes {
		if p := toPrefix(r.Dst); p.IsValid() && p.Bits() > 0 {
			continue
		}
		found[r.LinkIndex] = true
		for _, hop := range r.MultiPath {
			found[hop.LinkIndex] = true
		}
	}
	return found, nil
}

// recent are the states of entries that were confirmed within some seconds.
const recent = netlink.NUD_REACHABLE | netlink.NUD_DELAY | netlink.NUD_PROBE

func (a *Around) lookAt(link *netlink.LinkAttrs) error {
	entries, err := whole(func() ([]netlink.Neigh, error) { return netlink.NeighList(link.Index, netlink.FAMILY_ALL) })
	if err != nil {
		return err
	}
	for _, e := range entries {
		addr, ok := netip.AddrFromSlice(e.IP)
		if addr = addr.Unmap(); !ok || len(e.HardwareAddr) == 0 {
			continue
		}
		n := Neighbour{MAC: e.HardwareAddr.String(), Addr: addr}
		switch {
		case addr.Is6() && e.Flags&netlink.NTF_ROUTER != 0:
			a.Routers = append(a.Routers, n)
		case addr.Is4() && e.State&recent != 0:
			a.Spoken = append(a.Spoken, n)
		}
	}
	return nil
}

// NFTA_FLOWTABLE_TABLE and NFTA_FLOWTABLE_NAME (linux/netfilter/nf_tables.h).
const (
	flowtableTable = 1
	flowtableName  = 2
)

// flowtables lists the tables into which established connections are offloaded:
// their packets then meet no rule (nf_flowtable). A kernel without nf_tables
// has none.
func flowtables() ([]string, error) {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETFLOWTABLE, unix.NLM_F_DUMP)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC})
	messages, err := whole(func() ([][]byte, error) { return request.Execute(unix.NETLINK_NETFILTER, 0) })
	if err == unix.EOPNOTSUPP || err == unix.EINVAL || err == unix.EPROTONOSUPPORT {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the flow tables: %w", err)
	}
	return flowtableNames(messages), nil
}

func flowtableNames(messages [][]byte) []string {
	var names []string
	for _, m := range messages {
		if len(m) < nl.SizeofNfgenmsg {
			continue
		}
		attrs := attributes(m[nl.SizeofNfgenmsg:])
		family := map[byte]string{1: "inet", unix.AF_INET: "ip", unix.AF_INET6: "ip6"}[m[0]] // NFPROTO_INET is 1
		names = append(names, strings.Join(strings.Fields("the flowtable "+text(attrs[flowtableName])+" of "+family+" "+text(attrs[flowtableTable])), " "))
	}
	return names
}
