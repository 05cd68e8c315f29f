package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/link"
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
	errNotOpen      = errors.New("the household is closed")
)

// Granted is an address that a device may reach, and the domain because of
// which it may.
type Granted struct {
	rules.Grant
	Domain string
}

// grants are what is let through now, and until when. Grant is called beside
// the loop, so it has a lock of its own.
type grants struct {
	mu   sync.Mutex
	list map[Granted]*granted
}

type granted struct {
	until  time.Time
	loaded bool // the rules have it
}

// current returns what has not ended, in any order.
func (g *grants) current(now time.Time) []Granted {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Granted
	for what, state := range g.list {
		if now.After(state.until) {
			delete(g.list, what)
			continue
		}
		list = append(list, what)
	}
	return list
}

// add notes that the addresses may be reached until then. It reports whether
// the rules have all of them already.
func (g *grants) add(want []Granted, until time.Time) (loaded bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.list == nil {
		g.list = make(map[Granted]*granted)
	}
	loaded = true
	for _, w := range want {
		state := g.list[w]
		if state == nil {
			if len(g.list) >= maxGrants || g.count(w.MAC) >= maxDeviceGrants {
				return false, errGrantsFull
			}
			state = &granted{}
			g.list[w] = state
		}
		if until.After(state.until) {
			state.until = until
		}
		loaded = loaded && state.loaded
	}
	return loaded, nil
}

// sooner returns how long the loop may wait: until a grant ends, and no longer
// than wait.
func (g *grants) sooner(wait time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, state := range g.list {
		wait = min(wait, time.Until(state.until)+time.Millisecond) // one that ends now has not ended yet
	}
	return max(wait, 0)
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
func (g *grants) loaded(list []Granted) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, what := range list {
		if state := g.list[what]; state != nil {
			state.loaded = true
		}
	}
}

// Grant lets a device reach addresses outside Tor for a while, if the
// configuration says so. It returns when the rules have it, or with an error
// when they never will.
func (g *Gateway) Grant(ctx context.Context, r link.Grant) error {
	v := g.snapshot()
	mac, err := g.Kernel.HardwareAddr(ctx, v.config.Household.Interfaces, r.Device)
	if err != nil {
		return err
	}
	want, err := check(v, mac, r)
	if err != nil || len(want) == 0 {
		return err
	}
	until := time.Now().Add(min(max(r.TTL, 0), grantTTLMax) + grantGrace)
	loaded, err := g.grants.add(want, until)
	if err != nil || loaded {
		return err
	}
	return g.do(ctx, g.loadGrants)
}

// check returns what a grant comes down to: nothing for a device whose traffic
// goes direct anyway.
func check(v view, mac string, r link.Grant) ([]Granted, error) {
	in := v.desired.Rules
	if v.state != api.Open {
		return nil, errNotOpen
	}
	if mac == "" || !permits(in, mac, r.Domain) || in.PolicyOf(mac) == rules.Block {
		return nil, errNotBypassed
	}
	if in.PolicyOf(mac) == rules.Direct {
		return nil, nil
	}
	if len(r.Addrs) > maxGrantAddrs {
		return nil, errGrantsFull
	}
	var want []Granted
	for _, a := range r.Addrs {
		if !grantable(in, a) {
			return nil, errNotGrantable
		}
		want = append(want, Granted{rules.Grant{MAC: mac, To: a}, r.Domain})
	}
	return want, nil
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
	return !slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(a) })
}

// loadGrants brings the rules up to date with the grants. It runs in the loop;
// one run serves all who wait.
func (g *Gateway) loadGrants(ctx context.Context) error {
	v := g.snapshot()
	if !g.opened || g.held || v.desired.Rules.Mode != rules.Open {
		return errNotOpen
	}
	list := g.grants.current(time.Now())
	in := v.desired.Rules
	in.Grants = grantRules(in, list)
	if err := g.applyRules(ctx, in); err != nil {
		g.Log.Warn("letting a device through to a bypass failed", "error", err)
		return fmt.Errorf("changing the rules: %w", err)
	}
	g.grants.loaded(list)
	return nil
}

// grantRules are the grants that the configuration still permits.
func grantRules(in rules.Input, list []Granted) []rules.Grant {
	var out []rules.Grant
	for _, what := range list {
		if permits(in, what.MAC, what.Domain) && grantable(in, what.To) {
			out = append(out, what.Grant)
		}
	}
	return out
}

// ruleBypasses turns the names of devices into addresses.
func ruleBypasses(c *config.Config) []rules.Bypass {
	var list []rules.Bypass
	for _, b := range c.Bypasses {
		r := rules.Bypass{Domains: b.Domains, Prefixes: b.Prefixes}
		for _, name := range b.Devices {
			if i := slices.IndexFunc(c.Devices, func(d config.Device) bool { return d.Name == name }); i >= 0 {
				r.MACs = append(r.MACs, c.Devices[i].MAC)
			}
		}
		list = append(list, r)
	}
	return list
}

// bypassWords says in words what bypasses let out, and how many addresses of
// their domains they let out now.
func bypassWords(c *config.Config, list []Granted) []string {
	var words []string
	for _, b := range c.Bypasses {
		to := slices.Clone(b.Domains)
		for _, p := range b.Prefixes {
			to = append(to, p.String())
		}
		who := "every device"
		if len(b.Devices) > 0 {
			who = strings.Join(b.Devices, ", ")
		}
		text := fmt.Sprintf("%s, for %s (bypass)", strings.Join(to, ", "), who)
		if n := countDomains(list, b.Domains); n > 0 {
			text += fmt.Sprintf("; %d addresses now", n)
		}
		words = append(words, text)
	}
	return words
}

func countDomains(list []Granted, domains []string) int {
	n := 0
	for _, what := range list {
		if slices.Contains(domains, what.Domain) {
			n++
		}
	}
	return n
}
