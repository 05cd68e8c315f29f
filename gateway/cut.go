package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"tunic/rules"
)

// cut ends the connections of devices for whom in, which is in force now, is
// stricter than what was before.
func (g *Gateway) cut(ctx context.Context, in rules.Input) error {
	cuts := g.toCut(in)
	if len(cuts) == 0 {
		return nil
	}
	owners := g.owners(ctx, in.Interfaces)
	_, err := g.Kernel.CutFlows(ctx, func(mark uint32, from netip.Addr) bool {
		return slices.ContainsFunc(cuts, func(c rules.Cut) bool {
			return mark&rules.MarkMask == c.Mark.Mark() && !spares(c, owners[from])
		})
	})
	if err != nil {
		return fmt.Errorf("cutting the connections of devices with a stricter policy: %w", err)
	}
	return nil
}

// toCut is whose connections have to go. In lockdown no rule lets any of them
// pass but those of portals.
func (g *Gateway) toCut(in rules.Input) []rules.Cut {
	if in.Mode == rules.Open {
		return append(rules.Cuts(g.lastOpen, in), rules.PortalCuts(g.last, in)...)
	}
	return rules.PortalCuts(g.last, in)
}

// spares reports whether all the devices that may have opened a connection
// keep theirs. If nobody is known, somebody else opened it.
func spares(c rules.Cut, macs []string) bool {
	return len(macs) > 0 && !slices.ContainsFunc(macs, func(mac string) bool { return !c.Spares(mac) })
}

// owners are the devices that have each address: the one in the neighbour
// table, where everybody is who gets packets now, and whoever has a lease for
// it. A lease alone says only who had the address at some time. What cannot be
// read makes fewer addresses known, and more connections end.
func (g *Gateway) owners(ctx context.Context, interfaces []string) map[netip.Addr][]string {
	owners := make(map[netip.Addr][]string)
	neighbours, err := g.Kernel.Neighbours(ctx, interfaces)
	if err != nil {
		g.Log.Warn("reading the neighbour table failed, connections of all devices are cut", "error", err)
		return owners
	}
	for _, n := range neighbours {
		owners[n.Addr] = append(owners[n.Addr], n.MAC)
	}
	leases, err := g.System.Leases()
	if err != nil {
		g.Log.Debug("reading the DHCP leases failed", "error", err)
	}
	for _, l := range leases {
		if macs := owners[l.Addr]; len(macs) > 0 {
			owners[l.Addr] = append(macs, l.MAC)
		}
	}
	return owners
}
