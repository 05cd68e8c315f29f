package netfilter

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"tunic/rules"
)

// CutFlows makes the kernel forget the connections of both families whose mark
// is mark in the bits of mask, and returns how many. Call it after the stricter
// rules are in place, or the next packet opens the connection again.
func (k *Kernel) CutFlows(ctx context.Context, mark, mask uint32) (int, error) {
	total := 0
	for _, f := range rules.Families() {
		n, err := cutFamily(ctx, f, markFilter{mark, mask})
		total += n
		if err != nil {
			return total, fmt.Errorf("cutting %v connections with mark %#x/%#x: %w", f, mark, mask, err)
		}
	}
	return total, nil
}

// cutFamily goes on until one look at the table was complete: the kernel may
// interrupt the dump when the table changes meanwhile.
func cutFamily(ctx context.Context, f rules.Family, filter markFilter) (int, error) {
	family := netlink.InetFamily(unix.AF_INET)
	if f == rules.IPv6 {
		family = unix.AF_INET6
	}
	total := 0
	for range attempts {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, filter)
		total += int(n)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return total, err
		}
	}
	return total, netlink.ErrDumpInterrupted
}

type markFilter struct{ mark, mask uint32 }

// MatchConntrackFlow implements [netlink.CustomConntrackFilter].
func (m markFilter) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	return flow.Mark&m.mask == m.mark
}
