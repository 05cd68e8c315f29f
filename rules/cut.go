package rules

import (
	"maps"
	"slices"
)

// Cut says which devices' open connections with the mark of a policy have to
// end. They keep the mark, and with it the freedom, of the day on which they
// were opened. The caller first applies the new rules, then deletes the
// conntrack entries in both families; whose they are it tells by their source
// address, and one that it knows no device for is cut.
type Cut struct {
	Mark   Policy
	All    bool     // of all devices, and of those nobody knows, but not of Except
	Except []string // MAC addresses, sorted; without All only theirs
}

// Spares reports whether the connections of a device may go on.
func (c Cut) Spares(mac string) bool {
	_, listed := slices.BinarySearch(c.Except, mac)
	return listed == c.All
}

// Cuts returns what must be cut when the rules change from before to after,
// both open, because some device now gets a stricter policy. Every mark that
// is looser than the new policy goes: the device may have had more than one.
//
// A before without a default policy means that nobody knows what was there, as
// when the daemon starts: then all connections that went out in clear are cut.
//
// Connections of a bypass, and of devices that use Tor themselves, have the
// mark of direct, whatever their device's policy: they are cut when that is
// not allowed any more, and with those of their device.
//
// Nothing else counts. A closer mode, fewer exceptions or the box's own
// traffic going through Tor need no cut: what passes for being established is
// only what leaves in clear, while the house is open (see sent).
func Cuts(before, after Input) []Cut {
	if !before.Default.valid() {
		return []Cut{{Mark: Onion, All: true}, {Mark: Direct, All: true}, {Mark: Portal, All: true}}
	}
	c := comparison{before: before, after: after, had: before.policies(), gets: after.policies()}
	return append(c.cuts(Tor, Onion, Direct), PortalCuts(before, after)...)
}

// PortalCuts is Cuts for connections to the pages of guests, which are open in
// either mode.
func PortalCuts(before, after Input) []Cut {
	return comparison{before: before, after: after}.cuts(Portal)
}

// comparison is of two inputs, device by device.
type comparison struct {
	before, after Input
	had, gets     map[string]Policy // of listed devices
}

func (c comparison) cuts(marks ...Policy) []Cut {
	var list []Cut
	listed := c.listed()
	for _, mark := range marks {
		cut := Cut{Mark: mark, All: c.lost("", mark)}
		for _, mac := range listed {
			if c.lost(mac, mark) != cut.All {
				cut.Except = append(cut.Except, mac)
			}
		}
		if cut.All || len(cut.Except) > 0 {
			list = append(list, cut)
		}
	}
	return list
}

// listed are the devices that either input names, sorted.
func (c comparison) listed() []string {
	macs := slices.AppendSeq(slices.Collect(maps.Keys(c.had)), maps.Keys(c.gets))
	for _, in := range []Input{c.before, c.after} {
		for _, b := range in.Bypasses {
			macs = append(macs, b.MACs...)
		}
		for _, g := range in.Guests {
			macs = append(macs, g.MAC)
		}
	}
	slices.Sort(macs)
	return slices.Compact(macs)
}

// lost reports whether a device's connections with that mark must end. "" is
// a device that no list names.
func (c comparison) lost(mac string, mark Policy) bool {
	if mark == Portal {
		return portalLost(c.before, c.after, mac)
	}
	old, new := orDefault(c.had, mac, c.before.Default), orDefault(c.gets, mac, c.after.Default)
	if mark == Direct && old != Direct && new != Direct && (bypassLost(c.before, c.after, mac) || passLost(c.before, c.after)) {
		return true
	}
	return new.rank() > old.rank() && mark.rank() < new.rank()
}

func orDefault(policies map[string]Policy, mac string, byDefault Policy) Policy {
	if p, ok := policies[mac]; ok {
		return p
	}
	return byDefault
}

func (in Input) policies() map[string]Policy {
	policies := make(map[string]Policy, len(in.Devices))
	for _, d := range in.Devices {
		policies[d.MAC] = d.Policy
	}
	return policies
}
