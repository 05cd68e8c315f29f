package household

import (
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// policyForAWhile is a device's policy for a while, in place of its own.
type policyForAWhile struct {
	MAC    string        `json:"mac"`
	Policy config.Policy `json:"policy"`
	feature.Span
}

// openPortal lets a device reach the log-in page of the network in front of
// the box for a while.
type openPortal struct {
	MAC       string         `json:"mac"`
	To        []netip.Prefix `json:"to,omitempty"` // the only destinations; empty: all
	Resolvers []netip.Addr   `json:"resolvers"`
	UntilTor  bool           `json:"until_tor"` // it also ends when Tor is connected
	feature.Span
}

// temporaries keeps what is in force for a while, in a file of the state directory.
type temporaries struct {
	*feature.Kept[temporary]
	now func() time.Time
}

func newTemporaries(p config.Paths) temporaries {
	return temporaries{feature.Keep[temporary](filepath.Join(p.State, "temporary.json"), "what is in force for a while"), time.Now}
}

// load reads the file. What cannot be read is not in force.
func (t temporaries) load() error {
	if err := t.Load(); err != nil {
		return err
	}
	all, now := t.Get(), t.now()
	for _, s := range all.spans() {
		s.Resume(now)
	}
	return nil
}

// current returns what is in force now.
func (t temporaries) current() temporary { return t.Get().at(t.now()) }

// change applies f and keeps the result. If it cannot be kept nothing changes.
func (t temporaries) change(f func(*temporary)) error {
	next := t.current()
	f(&next)
	return t.Write(next)
}

// next is when something ends; zero: nothing is in force.
func (t temporaries) next() (next time.Time) {
	all, now := t.current(), t.now()
	for _, s := range all.spans() {
		if end := s.End(now); next.IsZero() || end.Before(next) {
			next = end
		}
	}
	return next
}

// probeInterface is treated as one of the household's for a while, for the leak
// test. It is not kept: it is gone after a restart.
type probeInterface struct {
	name string
	feature.Span
}

// temporary is everything that is in force for a while only.
type temporary struct {
	Policies []policyForAWhile `json:"policies"`
	Portals  []openPortal      `json:"portals"`

	probes []probeInterface
}

// at returns what is still in force at a moment.
func (t temporary) at(now time.Time) temporary {
	return temporary{
		Policies: slices.DeleteFunc(slices.Clone(t.Policies), func(p policyForAWhile) bool { return p.Over(now) }),
		Portals:  slices.DeleteFunc(slices.Clone(t.Portals), func(p openPortal) bool { return p.Over(now) }),
		probes:   slices.DeleteFunc(slices.Clone(t.probes), func(p probeInterface) bool { return p.Over(now) }),
	}
}

// spans are those of everything, to be changed in place.
func (t *temporary) spans() []*feature.Span {
	var list []*feature.Span
	for i := range t.Policies {
		list = append(list, &t.Policies[i].Span)
	}
	for i := range t.Portals {
		list = append(list, &t.Portals[i].Span)
	}
	for i := range t.probes {
		list = append(list, &t.probes[i].Span)
	}
	return list
}

// policy returns the temporary policy of a device.
func (t temporary) policy(mac string) (policyForAWhile, bool) {
	for _, p := range t.Policies {
		if p.MAC == mac {
			return p, true
		}
	}
	return policyForAWhile{}, false
}

// setPolicy replaces a device's temporary policy.
func (t *temporary) setPolicy(p policyForAWhile) {
	t.endPolicy(p.MAC)
	t.Policies = append(t.Policies, p)
}

func (t *temporary) endPolicy(mac string) {
	t.Policies = slices.DeleteFunc(t.Policies, func(p policyForAWhile) bool { return p.MAC == mac })
}

func (t *temporary) setPortal(p openPortal) {
	t.endPortal(p.MAC)
	t.Portals = append(t.Portals, p)
}

func (t *temporary) endPortal(mac string) {
	t.Portals = slices.DeleteFunc(t.Portals, func(p openPortal) bool { return p.MAC == mac })
}

func (t *temporary) setProbe(p probeInterface) {
	t.endProbe(p.name)
	t.probes = append(t.probes, p)
}

func (t *temporary) endProbe(name string) {
	t.probes = slices.DeleteFunc(t.probes, func(p probeInterface) bool { return p.name == name })
}

// effective is the configuration with what is in force for a while. The
// original is not changed.
func effective(c *config.Config, t temporary) *config.Config {
	if c == nil || len(t.Policies)+len(t.probes) == 0 {
		return c
	}
	e := *c
	e.Devices = slices.Clone(c.Devices)
	for _, p := range t.Policies {
		i := slices.IndexFunc(e.Devices, func(d config.Device) bool { return d.MAC == p.MAC })
		if i < 0 {
			e.Devices = append(e.Devices, config.Device{MAC: p.MAC})
			i = len(e.Devices) - 1
		}
		e.Devices[i].Policy = p.Policy
	}
	e.Household.Interfaces = slices.Clone(c.Household.Interfaces)
	for _, p := range t.probes {
		if !slices.Contains(e.Household.Interfaces, p.name) {
			e.Household.Interfaces = append(e.Household.Interfaces, p.name)
		}
	}
	return &e
}
