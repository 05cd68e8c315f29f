// Package onions is what the box publishes, as a feature: its onions with their
// keys and former addresses, who may find which, whether visitors get to them.
package onions

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/tor"
)

// Keys makes or loads an onion's keys.
type Keys func(dir string, owner feature.IDs) (onion.Address, error)

// Round is one look at all keys (onion.Round).
type Round interface {
	// Ensure makes or loads an onion's keys.
	Ensure(dir string, uid, gid int) (onion.Address, error)
	// ForeignClients are those for whom another tor has published the onion.
	ForeignClients(dir string) (map[string]onion.ClientKey, error)
}

// Tor knows what it has published.
type Tor interface {
	Status() tor.Status
	// Republish gives an onion other introduction points and closes what its
	// visitors have open.
	Republish(ctx context.Context, onion string) error
}

// FastTor is the one of the onions that are not anonymous.
type FastTor interface{ Status() tor.Status }

// Server serves the fronts.
type Server interface {
	Status(ctx context.Context) (link.Status, error)
	// Reach finds out whether an onion can be reached; with call through Tor.
	Reach(ctx context.Context, onion string, call bool) (link.Reached, error)
}

// Kernel knows which networks are at home.
type Kernel interface {
	LocalPrefixes(ctx context.Context) ([]netip.Prefix, error)
}

// Parts are what the feature asks.
type Parts struct {
	Paths  config.Paths
	Owner  feature.IDs // of the keys: tor's user
	Log    *slog.Logger
	Ring   func() Round     // begins a look at keys
	Now    func() time.Time // nil: time.Now
	Tor    Tor
	Fast   FastTor
	Server Server
	Kernel Kernel
}

// Feature answers api.Onions.
type Feature struct {
	Parts
	host      feature.Host
	rotations rotations
	probes    onionProbes
	passed    chan struct{} // has room for one: a pass has ended

	mu   sync.Mutex
	self Self
	old  []OldAddress    // that are published
	has  map[string]bool // the onions that the last pass has looked at, with keys or without
}

var (
	_ feature.Feature  = (*Feature)(nil)
	_ feature.Reporter = (*Feature)(nil)
	_ feature.Sooner   = (*Feature)(nil)
	_ feature.Settler  = (*Feature)(nil)
	_ feature.Runner   = (*Feature)(nil)
)

// New returns the feature, with what is kept of earlier days. Without a host it
// answers no verb.
func New(host feature.Host, p Parts) *Feature {
	if p.Now == nil {
		p.Now = time.Now
	}
	f := &Feature{Parts: p, host: host, rotations: newRotations(p.Paths), passed: make(chan struct{}, 1)}
	f.rotations.now = func() time.Time { return f.Now() }
	if host == nil {
		return f
	}
	if err := f.rotations.load(); err != nil {
		p.Log.Warn("old addresses are not published any more", "error", err)
	}
	return f
}

// Name implements feature.Feature.
func (*Feature) Name() string { return "onions" }

// Look implements feature.Feature. It makes the keys of onions that have none.
func (f *Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	if s.Foreseen {
		f.foresee(s)
	} else {
		f.look(s, r)
	}
	return feature.Want(want, f.ownKey())
}

func (f *Feature) look(s *feature.Scene, r *feature.Report) {
	for _, err := range CheckTargets(s.Config.Onions, slices.Concat(s.Local, s.Config.Household.Prefixes)) {
		r.Find(health.TargetOnInternet, "", "%v", err)
	}
	ring, has := f.Ring(), make(map[string]bool)
	s.Addresses = make(map[string]onion.Address)
	for _, o := range s.Config.AllOnions() {
		has[o.Name] = true
		if address, ok := f.keys(ring, o, r); ok {
			s.Addresses[o.Name] = address
			f.certify(o, address, s.Certain, r)
		}
		if s.Addresses[o.Name] != "" && o.Name != config.HomeOnion && !s.Config.Findable(o) {
			r.Find(health.NobodyInvited, o.Name, "the onion %s is private and has no clients, so it is not published", o.Name)
		}
	}
	old := f.oldAddresses(ring, r)
	s.Former = former(old)
	s.Own = ownAddresses(s)
	f.readOwnKey(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.old, f.has = old, has
}

// keys makes or loads the keys of an onion.
func (f *Feature) keys(ring Round, o config.Onion, r *feature.Report) (onion.Address, bool) {
	dir := f.Paths.OnionKeys(o.Name)
	address, err := ring.Ensure(dir, int(f.Owner.UID), int(f.Owner.GID))
	if err != nil {
		r.Find(health.OnionKeys, o.Name, "onion %s is not published: %v", o.Name, err)
		return "", false
	}
	if err := checkImported(ring, o, dir); err != nil {
		r.Find(health.OnionForeign, o.Name, "onion %s is not published: %v", o.Name, err)
		return "", false
	}
	return address, true
}

// foresee adds the addresses of onions that no pass has looked at yet: of one that
// was unpublished, or what stands for one that is made.
func (f *Feature) foresee(s *feature.Scene) {
	f.mu.Lock()
	has := f.has
	f.mu.Unlock()
	addresses := maps.Clone(s.Addresses)
	if addresses == nil {
		addresses = make(map[string]onion.Address)
	}
	for _, o := range s.Config.AllOnions() {
		if addresses[o.Name] == "" && !has[o.Name] {
			kept, _ := onion.ParseName(onion.Hostname(s.Paths.OnionKeys(o.Name)))
			addresses[o.Name] = cmp.Or(kept, "("+feature.ToBeMade+")")
		}
	}
	s.Addresses = addresses
}

// Next implements feature.Sooner: a former address ends.
func (f *Feature) Next() time.Time { return f.rotations.next() }

// Settle implements feature.Settler: the pass may have brought other onions.
func (f *Feature) Settle() {
	select {
	case f.passed <- struct{}{}:
	default:
	}
}

// Report implements feature.Reporter.
func (f *Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	status.Onions = f.describe(s)
	status.Findings = append(status.Findings, findings(status.Onions)...)
}

// ownKey is the key by which this box finds its own private onions.
func (f *Feature) ownKey() Self {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.self
}

// all is what both tors have published, t the one for anonymous onions. Nobody writes to it.
func (f *Feature) all(t tor.Status) map[string]tor.Descriptor {
	fast := f.Fast.Status().Onions
	if len(fast) == 0 {
		return t.Onions
	}
	all := make(map[string]tor.Descriptor, len(t.Onions)+len(fast))
	maps.Copy(all, t.Onions)
	maps.Copy(all, fast)
	return all
}

// onionFault is of verbs about onions, their addresses and who finds them.
var onionFault = feature.Faults([]health.Code{health.TorRefused}, health.FastTorDown, health.ServeProblem,
	health.OnionKeys, health.OnionForeign, health.OldAddress)
