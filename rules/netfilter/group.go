package netfilter

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
)

// Group is the interface group that household interfaces are put into
// (IFLA_GROUP; "ip link show" prints it). Rules that match it hold on when an
// interface gets another name. It is "tun" in ASCII, to be nobody else's.
const Group = 0x74756e

// Group puts those of the household's interfaces that exist into the group,
// and takes out others that are in it. While one of the household's is missing
// nobody is taken out: it may be the one, under another name. Interfaces that
// their owner has put into a group of their own stay there.
//
// It returns the number that rules may match, or 0 if this kernel or this
// iptables has no match for groups (xt_devgroup); then nothing is changed.
func (k *Kernel) Group(ctx context.Context, household []string) (uint32, error) {
	if now, err := namespace(); err != nil || now != k.own.namespace {
		return 0, errors.Join(ErrNamespace, err)
	}
	if !k.groups(ctx) {
		return 0, nil
	}
	links, err := whole(netlink.LinkList)
	if err != nil {
		return Group, fmt.Errorf("reading interfaces: %w", err)
	}
	missing := slices.ContainsFunc(household, func(name string) bool {
		return !slices.ContainsFunc(links, func(l netlink.Link) bool { return l.Attrs().Name == name })
	})
	var errs []error
	for _, l := range links {
		ours := slices.Contains(household, l.Attrs().Name)
		switch group := l.Attrs().Group; {
		case ours && group == 0:
			errs = append(errs, netlink.LinkSetGroup(l, Group))
		case !ours && group == Group && !missing:
			errs = append(errs, netlink.LinkSetGroup(l, 0))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Group, fmt.Errorf("grouping the household's interfaces: %w", err)
	}
	return Group, nil
}

// groups reports whether rules can match groups.
func (k *Kernel) groups(ctx context.Context) bool {
	return k.can(ctx, "-m devgroup --src-group 0x1 -m devgroup --dst-group 0x1", "rules cannot match interface groups here: "+
		"a household interface that gets another name is out of reach until it is configured")
}

// ungroup takes all interfaces out of the group.
func ungroup() error {
	links, err := whole(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("reading interfaces: %w", err)
	}
	var errs []error
	for _, l := range links {
		if l.Attrs().Group == Group {
			errs = append(errs, netlink.LinkSetGroup(l, 0))
		}
	}
	return errors.Join(errs...)
}
