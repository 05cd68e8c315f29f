package netfilter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Probe is a cable from the household to a network namespace of a test: one
// end is in this namespace, the other in that of a process, which is a guest
// there. Both ends are gone when that process is, whatever ends it.
type Probe struct {
	Name  string // of the end in this namespace, and of the other
	PID   int    // of the guest
	MAC   net.HardwareAddr
	Join  string         // a bridge of the household's that this end joins; "": it stands alone
	Box   []netip.Prefix // of this end if it stands alone: the box's household addresses, as single ones
	Guest []netip.Addr   // of the guest, if this end stands alone: the way to it
}

// IsBridge reports whether a bridge of that name exists.
func IsBridge(name string) bool {
	link, err := whole(func() (netlink.Link, error) { return netlink.LinkByName(name) })
	return err == nil && link.Type() == "bridge"
}

// PortOf returns the bridge that an interface is a port of, or "".
func PortOf(name string) string {
	target, err := os.Readlink(filepath.Join("/sys/class/net", name, "master"))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// Lay lays the cable.
func (p Probe) Lay() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.Name
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr, veth.PeerNamespace = p.Name, p.MAC, netlink.NsPid(p.PID)
	if p.Join != "" {
		bridge, err := whole(func() (netlink.Link, error) { return netlink.LinkByName(p.Join) })
		if err != nil {
			return fmt.Errorf("looking for the bridge %q: %w", p.Join, err)
		}
		veth.MasterIndex = bridge.Attrs().Index
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("laying a cable to the guest: %w", err)
	}
	if err := p.connect(veth); err != nil {
		return errors.Join(fmt.Errorf("connecting the cable to the guest: %w", err), p.Remove())
	}
	return nil
}

func (p Probe) connect(link netlink.Link) error {
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for _, a := range p.Box {
		if err := addAddress(link, a); err != nil {
			return err
		}
	}
	for _, a := range p.Guest {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: toIPNet(netip.PrefixFrom(a, a.BitLen()))}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("adding the way to %s: %w", a, err)
		}
	}
	return nil
}

// Remove takes the cable away; one that has gone is no error.
func (p Probe) Remove() error {
	link, err := netlink.LinkByName(p.Name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("removing the cable to the guest: %w", err)
	}
	return nil
}

// MoveIn gives the guest, which is this process, its addresses and its way out,
// and waits until the kernel has made sure that no other host has the IPv6 ones
// (RFC 4862, section 5.4).
func MoveIn(ctx context.Context, name string, addrs []netip.Prefix, via []netip.Addr) error {
	for _, n := range []string{"lo", name} {
		link, err := netlink.LinkByName(n)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err != nil {
			return fmt.Errorf("switching on %q: %w", n, err)
		}
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if err := addAddress(link, a); err != nil {
			return err
		}
	}
	if err := waitUsable(ctx, link); err != nil {
		return err
	}
	for _, a := range via {
		zero := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if a.Is6() {
			zero = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: a.AsSlice(), Dst: toIPNet(zero), Flags: int(netlink.FLAG_ONLINK)}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("adding the way out through %s: %w", a, err)
		}
	}
	return nil
}

// waitUsable waits for duplicate address detection.
func waitUsable(ctx context.Context, link netlink.Link) error {
	for {
		addrs, err := whole(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_V6) })
		if err != nil {
			return err
		}
		tentative := false
		for _, a := range addrs {
			if a.Flags&unix.IFA_F_DADFAILED != 0 {
				return fmt.Errorf("another host has the address %s already", a.IP)
			}
			tentative = tentative || a.Flags&unix.IFA_F_TENTATIVE != 0
		}
		if !tentative {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the guest's addresses: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func addAddress(link netlink.Link, a netip.Prefix) error {
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: toIPNet(a)}); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding the address %s: %w", a, err)
	}
	return nil
}

func toIPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
