// Package household is the household's devices as a feature: who they are, how the
// traffic of each goes, for good or for a while, and what the box answers them.
package household

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/leases"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Kernel knows who is there.
type Kernel interface {
	Neighbours(ctx context.Context, interfaces []string) ([]feature.Neighbour, error)
}

// System is what the box knows beside.
type System interface {
	// Leases are what devices call themselves.
	Leases() ([]leases.Lease, error)
	// Resolvers are the DNS servers that the box itself was told of.
	Resolvers() []netip.Addr
}

// Tor has the circuits of devices.
type Tor interface {
	Status() tor.Status
	// NewNym is tor's signal of that name.
	NewNym(ctx context.Context) error
	// Forget closes what devices with these addresses use, and returns how many
	// circuits that were.
	Forget(ctx context.Context, devices []netip.Addr) (int, error)
}

// Server has the identities of devices.
type Server interface {
	// Renew gives devices, or all if none is named, other identities towards tor.
	Renew(ctx context.Context, devices []netip.Addr) error
}

// Parts are what the feature asks.
type Parts struct {
	Paths  config.Paths
	Log    *slog.Logger
	Kernel Kernel
	System System
	Tor    Tor
	Server Server
}

// Feature answers api.Devices but for Why.
type Feature struct {
	Parts
	host      feature.Host
	temporary temporaries

	mu      sync.Mutex
	looked  temporary // by the pass that runs
	inForce temporary // as of the last pass
}

var (
	_ feature.Feature  = (*Feature)(nil)
	_ feature.Amender  = (*Feature)(nil)
	_ feature.Reporter = (*Feature)(nil)
	_ feature.Settler  = (*Feature)(nil)
	_ feature.Sooner   = (*Feature)(nil)
	_ feature.Watcher  = (*Feature)(nil)
)

// New returns the feature, with what is kept of earlier days. Without a host it
// answers no verb.
func New(host feature.Host, p Parts) *Feature {
	f := &Feature{Parts: p, host: host, temporary: newTemporaries(p.Paths)}
	if host == nil {
		return f
	}
	if err := f.temporary.load(); err != nil {
		p.Log.Warn("what was in force for a while is not any more", "error", err)
	}
	return f
}

// Name implements feature.Feature.
func (*Feature) Name() string { return "household" }

// Amend implements feature.Amender.
func (f *Feature) Amend(c *config.Config) *config.Config { return effective(c, f.temporary.current()) }

// Look implements feature.Feature.
func (f *Feature) Look(ctx context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	now := f.temporary.current()
	if !s.Foreseen {
		now = f.endPortals(now, s, r)
		f.mu.Lock()
		f.looked = now
		f.mu.Unlock()
		s.Hosts = f.hosts(ctx, s.Config)
	}
	return feature.Want(want, found{guests(now), s.Foreseen})
}

// found is what the wish depends on beside the scene.
type found struct {
	guests   []rules.Guest
	foreseen bool // when it was looked
}

// Settle implements feature.Settler: who is told that a device's policy is over can
// rely on it that its connections are.
func (f *Feature) Settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inForce = f.looked
}

// Next implements feature.Sooner: something for a while ends.
func (f *Feature) Next() time.Time { return f.temporary.next() }

// Changed implements feature.Watcher: a device that an onion leads to by name has
// another address.
func (f *Feature) Changed(ctx context.Context, s feature.Scene) bool {
	return !maps.EqualFunc(s.Hosts, f.hosts(ctx, s.Config), slices.Equal)
}

// Watching implements feature.Watcher.
func (f *Feature) Watching(s feature.Scene) bool { return len(s.Config.TargetHosts()) > 0 }

// Report implements feature.Reporter.
func (f *Feature) Report(ctx context.Context, s feature.Scene, status *api.Status) {
	status.Findings = append(status.Findings, cleartextFindings(s.TorNow.Cleartext, time.Now())...)
	if s.Brief && len(s.TorNow.Full) == 0 { // else their names are wanted
		return
	}
	now := f.now()
	status.Household.Devices = f.devices(ctx, s.Written)
	status.Leaks = append(status.Leaks, exceptions(permanent(s.Written, now))...)
	status.Leaks = append(status.Leaks, temporaryWords(s.Written, now)...)
	status.Findings = append(status.Findings, fullFindings(s.TorNow.Full, status.Household.Devices)...)
}

// now is what the last pass has put in force for a while.
func (f *Feature) now() temporary {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inForce
}

// exceptions lists, in words, what of the household leaves the box outside Tor
// because the owner said so.
func exceptions(c *config.Config) (list []string) {
	for _, f := range c.DNS.Forward {
		list = append(list, fmt.Sprintf("DNS names below %s go to %s", f.Domain, f.Server))
	}
	if p := c.Household.DefaultPolicy; outside(p) {
		list = append(list, fmt.Sprintf("every device without a file (default-policy = %s)", p))
	}
	for _, d := range c.Devices {
		if outside(d.Policy) {
			list = append(list, fmt.Sprintf("the device %s (policy = %s)", d.Name, d.Policy))
		}
	}
	return list
}

// outside reports whether a policy lets a device out beside Tor.
func outside(p config.Policy) bool { return p == config.PolicyDirect || p == config.PolicyOnion }
