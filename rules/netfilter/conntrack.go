package netfilter

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"tunic/rules"
)

// Doomed says whether a connection with that mark (all 32 bits), opened from
// that address, has to end.
type Doomed func(mark uint32, from netip.Addr) bool

// CutFlows makes the kernel forget the connections of both families that are
// doomed, and returns how many. Call it after the stricter rules are in place,
// or the next packet opens the connection again.
func (k *Kernel) CutFlows(ctx context.Context, doomed Doomed) (int, error) {
	total := 0
	for _, f := range rules.Families() {
		n, err := cutFamily(ctx, f, doomed)
		total += n
		if err != nil {
			return total, fmt.Errorf("cutting %v connections: %w", f, err)
		}
	}
	return total, nil
}

// cutFamily goes on until one look at the table was complete: the kernel may
// interrupt the dump when the table changes meanwhile.
func cutFamily(ctx context.Context, f rules.Family, doomed Doomed) (int, error) {
	family := netlink.InetFamily(unix.AF_INET)
	if f == rules.IPv6 {
		family = unix.AF_INET6
	}
	total := 0
	for range attempts {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, doomed)
		total += int(n)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return total, err
		}
	}
	return total, netlink.ErrDumpInterrupted
}

// MatchConntrackFlow implements [netlink.CustomConntrackFilter]. An address
// that cannot be read is the zero one, which is nobody's.
func (d Doomed) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	from, _ := netip.AddrFromSlice(flow.Forward.SrcIP)
	return d(flow.Mark, from.Unmap())
}
