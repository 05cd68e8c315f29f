package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/durable"
)

// Span is a stretch of time that ends by itself. It is measured by two clocks:
// the wall clock, which goes on while the box is off, and that of the kernel,
// which nobody can set back. Whichever is first ends it.
type Span struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`

	end time.Time // with the kernel's reading; not kept in the file
}

// clockSlack is how far a clock may be set back before nobody can tell any
// more how long something has been in force.
const clockSlack = time.Minute

func newSpan(now time.Time, d time.Duration) Span {
	wall := now.Round(0).UTC()
	return Span{Since: wall, Until: wall.Add(d), end: now.Add(d)}
}

// over reports whether the time is up, or cannot be known: early rather than
// late.
func (s Span) over(now time.Time) bool {
	wall := now.Round(0)
	return !wall.Before(s.Until) || wall.Before(s.Since.Add(-clockSlack)) || !now.Before(s.end)
}

// TemporaryPolicy is a device's policy for a while, in place of its own.
type TemporaryPolicy struct {
	MAC    string        `json:"mac"`
	Policy config.Policy `json:"policy"`
	Span
}

// OpenPortal lets a device reach the log-in page of the network in front of
// the box for a while.
type OpenPortal struct {
	MAC       string         `json:"mac"`
	To        []netip.Prefix `json:"to,omitempty"` // the only destinations; empty: all
	Resolvers []netip.Addr   `json:"resolvers"`
	UntilTor  bool           `json:"until_tor"` // it also ends when Tor is connected
	Span
}

// probeInterface is treated as one of the household's for a while, for the leak
// test. It is not kept: it is gone after a restart.
type probeInterface struct {
	name string
	Span
}

// Temporary is everything that is in force for a while only.
type Temporary struct {
	Policies []TemporaryPolicy `json:"policies"`
	Portals  []OpenPortal      `json:"portals"`

	probes []probeInterface
}

// temporaries keeps what is Temporary, in memory and in a file. The loop
// changes it; Status reads it beside.
type temporaries struct {
	mu   sync.Mutex
	path string
	now  func() time.Time
	all  Temporary
}

// temporaryFile is where the temporary things of a box are kept.
func temporaryFile(p config.Paths) string { return filepath.Join(p.State, "temporary.json") }

// load reads the file. What cannot be read is not in force.
func (t *temporaries) load() error {
	raw, err := os.ReadFile(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what is in force for a while: %w", err)
	}
	var all Temporary
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("reading what is in force for a while: %s: %w", t.path, err)
	}
	now := t.now()
	for i := range all.Policies {
		all.Policies[i].resume(now)
	}
	for i := range all.Portals {
		all.Portals[i].resume(now)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = all
	return nil
}

// resume starts the kernel's clock again after a restart.
func (s *Span) resume(now time.Time) { s.end = now.Add(s.Until.Sub(now.Round(0))) }

// current returns what is in force now.
func (t *temporaries) current() Temporary {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = t.all.at(t.now())
	return t.all.clone()
}

// change applies f and keeps the result. If it cannot be kept nothing changes.
func (t *temporaries) change(f func(*Temporary)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.all.at(t.now()).clone()
	f(&next)
	raw, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.Write(t.path, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing what is in force for a while: %w", err)
	}
	t.all = next
	return nil
}

// set puts back what was in force, after its file was.
func (t *temporaries) set(all Temporary) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = all
}

// sooner returns how long the loop may wait: until something ends, and no
// longer than wait.
func (t *temporaries) sooner(wait time.Duration) time.Duration {
	all, now := t.current(), t.now()
	for _, s := range all.spans() {
		wait = min(wait, s.end.Sub(now), s.Until.Sub(now.Round(0)))
	}
	return max(wait, 0)
}

// at returns what is still in force at a moment.
func (t Temporary) at(now time.Time) Temporary {
	return Temporary{
		Policies: slices.DeleteFunc(slices.Clone(t.Policies), func(p TemporaryPolicy) bool { return p.over(now) }),
		Portals:  slices.DeleteFunc(slices.Clone(t.Portals), func(p OpenPortal) bool { return p.over(now) }),
		probes:   slices.DeleteFunc(slices.Clone(t.probes), func(p probeInterface) bool { return p.over(now) }),
	}
}

func (t Temporary) clone() Temporary {
	return Temporary{Policies: slices.Clone(t.Policies), Portals: slices.Clone(t.Portals), probes: slices.Clone(t.probes)}
}

func (t Temporary) spans() []Span {
	var list []Span
	for _, p := range t.Policies {
		list = append(list, p.Span)
	}
	for _, p := range t.Portals {
		list = append(list, p.Span)
	}
	for _, p := range t.probes {
		list = append(list, p.Span)
	}
	return list
}

// policy returns the temporary policy of a device.
func (t Temporary) policy(mac string) (TemporaryPolicy, bool) {
	for _, p := range t.Policies {
		if p.MAC == mac {
			return p, true
		}
	}
	return TemporaryPolicy{}, false
}

// setPolicy replaces a device's temporary policy.
func (t *Temporary) setPolicy(p TemporaryPolicy) {
	t.endPolicy(p.MAC)
	t.Policies = append(t.Policies, p)
}

func (t *Temporary) endPolicy(mac string) {
	t.Policies = slices.DeleteFunc(t.Policies, func(p TemporaryPolicy) bool { return p.MAC == mac })
}

func (t *Temporary) setPortal(p OpenPortal) {
	t.endPortal(p.MAC)
	t.Portals = append(t.Portals, p)
}

func (t *Temporary) endPortal(mac string) {
	t.Portals = slices.DeleteFunc(t.Portals, func(p OpenPortal) bool { return p.MAC == mac })
}

func (t *Temporary) setProbe(p probeInterface) {
	t.endProbe(p.name)
	t.probes = append(t.probes, p)
}

func (t *Temporary) endProbe(name string) {
	t.probes = slices.DeleteFunc(t.probes, func(p probeInterface) bool { return p.name == name })
}

// effective is the configuration with what is in force for a while. The
// original is not changed.
func effective(c *config.Config, t Temporary) *config.Config {
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
