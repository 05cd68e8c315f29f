package rules

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Pass lets one source address of the household reach one public relay outside
// our Tor, because a device there uses Tor itself.
type Pass struct {
	From netip.Addr
	To   netip.AddrPort // TCP
}

// pass gives such connections the mark of direct ones. Only what would go
// through Tor is meant: a blocked device stays blocked.
func (c compiler) pass(chain *Chain) {
	if !c.open() {
		return
	}
	for _, p := range c.Passes {
		if p.From.Is4() == (c.family == IPv4) {
			chain.add("-s %v -d %v -p tcp -m tcp --dport %d %s -j CONNMARK --set-xmark %#x/%#x",
				p.From, p.To.Addr(), p.To.Port(), marked(Tor), Direct.Mark(), MarkMask)
		}
	}
}

// passLost reports whether a device could reach relays before, and now none
// may. That one relay is gone from the list cuts nothing: it was only not
// dialled for long.
func passLost(before, after Input) bool { return before.OverTor && !after.OverTor }

func sortPasses(passes []Pass) []Pass {
	return slices.Compact(slices.SortedFunc(slices.Values(passes), func(a, b Pass) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To))
	}))
}

func (in Input) validatePasses() error {
	var errs []error
	if len(in.Passes) > 0 && !in.OverTor {
		errs = append(errs, errors.New("relays may be reached directly only if their owner lets devices use Tor themselves"))
	}
	for _, p := range in.Passes {
		to := p.To.Addr()
		plain := p.From.IsValid() && to.IsValid() && !p.From.Is4In6() && !to.Is4In6() && p.From.Zone() == "" && to.Zone() == ""
		if !plain || p.From.Is4() != to.Is4() || p.To.Port() == 0 || !to.IsGlobalUnicast() || to.IsPrivate() {
			errs = append(errs, fmt.Errorf("no device can reach a relay from %v to %v", p.From, p.To))
		}
	}
	return errors.Join(errs...)
}
