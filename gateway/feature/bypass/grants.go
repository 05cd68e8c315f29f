package bypass

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tunic/gateway/special"
	"tunic/rules"
)

// How long and how many addresses devices may reach outside Tor because they
// asked for a name of a bypass.
const (
	grantGrace      = 60 * time.Second // beyond the answer's time to live: programs dial late
	grantTTLMax     = 300 * time.Second
	maxGrants       = 512 // all devices
	maxDeviceGrants = 128
	maxGrantAddrs   = 16 // of one answer
)

// Errors of Grant. They name no destination.
var (
	errNotBypassed  = errors.New("no bypass lets this device reach that domain")
	errNotGrantable = errors.New("the address is no public one")
	errGrantsFull   = errors.New("too many addresses are let through already")
)

// granted is an address that a device may reach, and the domain because of
// which it may.
type granted struct {
	rules.Grant
	Domain string
}

// grants are what is let through now, and until when. Grant is called beside
// the loop, so it has a lock of its own.
type grants struct {
	mu   sync.Mutex
	list map[granted]*term
}

type term struct {
	until  time.Time
	loaded bool // the rules have it
}

// current returns what has not ended, in one order: what is wanted is computed again when it differs.
func (g *grants) current(now time.Time) []granted {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []granted
	for what, state := range g.list {
		if now.After(state.until) {
			delete(g.list, what)
			continue
		}
		list = append(list, what)
	}
	slices.SortFunc(list, func(x, y granted) int {
		return cmp.Or(cmp.Compare(x.MAC, y.MAC), x.To.Compare(y.To), cmp.Compare(x.Domain, y.Domain))
	})
	return list
}

// add notes that the addresses may be reached until then. It reports whether
// the rules have all of them already.
func (g *grants) add(want []granted, until time.Time) (loaded bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.list == nil {
		g.list = make(map[granted]*term)
	}
	loaded = true
	for _, w := range want {
		state := g.list[w]
		if state == nil {
			if len(g.list) >= maxGrants || g.count(w.MAC) >= maxDeviceGrants {
				return false, errGrantsFull
			}
			state = &term{}
			g.list[w] = state
		}
		if until.After(state.until) {
			state.until = until
		}
		loaded = loaded && state.loaded
	}
	return loaded, nil
}

// next is when a grant ends; zero: there is none.
func (g *grants) next() (next time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, state := range g.list {
		end := state.until.Add(time.Millisecond) // one that ends now has not ended yet
		if next.IsZero() || end.Before(next) {
			next = end
		}
	}
	return next
}

func (g *grants) count(mac string) int {
	n := 0
	for what := range g.list {
		if what.MAC == mac {
			n++
		}
	}
	return n
}

// loaded notes which of them the rules have.
func (g *grants) loaded(list []granted) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, what := range list {
		if state := g.list[what]; state != nil {
			state.loaded = true
		}
	}
}

// permits reports whether a bypass lets the device reach the domain.
func permits(in rules.Input, mac, domain string) bool {
	return slices.ContainsFunc(in.Bypasses, func(b rules.Bypass) bool {
		return slices.Contains(b.Domains, domain) && (len(b.MACs) == 0 || slices.Contains(b.MACs, mac))
	})
}

// grantable reports whether an address can be outside the house. The resolver
// has looked too; this side does not rely on it.
func grantable(in rules.Input, a netip.Addr) bool {
	if a.Is4In6() || a.Zone() != "" || special.Addr(a) {
		return false
	}
	inside := append(slices.Clone(in.Prefixes), in.Virtual4, in.Virtual6)
	for _, n := range in.Networks {
		inside = append(inside, n.Range)
	}
	return !slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(a) })
}

// grantRules are the grants that the configuration still permits.
func grantRules(in rules.Input, list []granted) []rules.Grant {
	var out []rules.Grant
	for _, what := range list {
		if permits(in, what.MAC, what.Domain) && grantable(in, what.To) {
			out = append(out, what.Grant)
		}
	}
	return out
}
