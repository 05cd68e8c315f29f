package netfilter

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Surroundings is what the kernel knows of the box's surroundings that no rule of
// ours can hold: ways around the box, and ways past its rules.
type Surroundings struct {
	Links     []Link      // all interfaces but loopback
	Visits    []Visit     // who is connected to servers of the box
	Serves    []uint16    // TCP ports at which servers of the box listen, for others than the box itself
	Firewalls []Firewall  // other programs that refuse what these rules let pass
	Routers   []Neighbour // hosts of the household that say they are IPv6 routers (RFC 4861, section 4.4)
	Ways      []Neighbour // hosts of the household by which the box itself reaches the internet
	Spoken    []Neighbour // IPv4 devices of the household that the box has just spoken with
	Fast      []string    // what lets packets past the rules, in words: "the flowtable ft of inet fw4"
}

// Link is an interface with where it leads.
type Link struct {
	Interface
	Carrier   bool // there is a cable, or a radio, and somebody at its other end
	Household bool // by its name, or by our group, which stays on one that gets another name
	Default   bool // a route to everywhere leads there
	Bridge    bool
	Port      bool // of a bridge or a bond, which stands for it
	Hosts     int  // neighbours that have answered lately
}

// ReadSurroundings reads it; household are the names of its interfaces.
func ReadSurroundings(household []string) (Surroundings, error) {
	var a Surroundings
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
		if attrs.Flags&net.FlagLoopback != 0 {
			continue
		}
		port := attrs.MasterIndex != 0 && !slices.Contains(household, attrs.Name)
		i := Interface{Name: attrs.Name, Exists: true, Up: attrs.Flags&net.FlagUp != 0}
		if !port {
			if i, err = readInterface(attrs.Name); err != nil || !i.Exists { // gone meanwhile
				continue
			}
		}
		hops, leads := uplinks[attrs.Index]
		link := Link{Interface: i, Carrier: attrs.RawFlags&unix.IFF_LOWER_UP != 0, Default: leads,
			Household: slices.Contains(household, attrs.Name) || attrs.Group == Group, Bridge: l.Type() == "bridge", Port: port}
		if !port {
			if err := a.lookAt(attrs, &link, hops); err != nil {
				// half of the interfaces would mislead
				return Surroundings{}, fmt.Errorf("reading the neighbours on %q: %w", attrs.Name, err)
			}
		}
		a.Links = append(a.Links, link)
	}
	tables, err := flowtables()
	a.Fast = append(a.Fast, tables...)
	errs := []error{err}
	a.Visits, a.Serves, err = visits()
	errs = append(errs, err)
	a.Firewalls, err = firewalls(household)
	return a, errors.Join(append(errs, err)...)
}

// toEverywhere reports whether a route is a default one.
func toEverywhere(r netlink.Route) bool {
	p := toPrefix(r.Dst)
	return (!p.IsValid() || p.Bits() == 0) && r.Type == unix.RTN_UNICAST
}

// defaultRoutes are the indexes of interfaces with a route to everywhere, in
// any table: policies choose between several; and the next hops there, of which
// one to a provider may have none.
func defaultRoutes() (map[int][]netip.Addr, error) {
	routes, err := whole(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, err
	}
	found := make(map[int][]netip.Addr)
	add := func(index int, hop net.IP) {
		addr, _ := netip.AddrFromSlice(hop)
		found[index] = append(found[index], addr.Unmap())
	}
	for _, r := range routes {
		if !toEverywhere(r) {
			continue
		}
		add(r.LinkIndex, r.Gw)
		for _, hop := range r.MultiPath {
			add(hop.LinkIndex, hop.Gw)
		}
	}
	return found, nil
}

// known are the states of entries of hosts that were there, and may be still.
const known = recent | netlink.NUD_STALE

// recent are the states of entries that were confirmed within some seconds.
const recent = netlink.NUD_REACHABLE | netlink.NUD_DELAY | netlink.NUD_PROBE

// lookAt reads the neighbours on an interface; hops are next hops of default routes.
func (a *Surroundings) lookAt(attrs *netlink.LinkAttrs, link *Link, hops []netip.Addr) error {
	entries, err := whole(func() ([]netlink.Neigh, error) { return netlink.NeighList(attrs.Index, netlink.FAMILY_ALL) })
	if err != nil {
		return err
	}
	for _, e := range entries {
		addr, ok := netip.AddrFromSlice(e.IP)
		if addr = addr.Unmap(); !ok || len(e.HardwareAddr) == 0 {
			continue
		}
		if e.State&known != 0 {
			link.Hosts++
		}
		n := Neighbour{MAC: e.HardwareAddr.String(), Addr: addr}
		if link.Household && slices.Contains(hops, addr) {
			a.Ways = append(a.Ways, n)
		}
		switch {
		case !link.Household:
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
	messages, err := dump(unix.NFT_MSG_GETFLOWTABLE)
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
		names = append(names, strings.Join(strings.Fields("the flowtable "+text(attrs[flowtableName])+" of "+familyName(m[0])+" "+
			text(attrs[flowtableTable])), " "))
	}
	return names
}
