// Package gateway is the parent's reconciler: it turns configuration and facts
// into the desired state, and makes it true in ordered steps.
//
//	closed rules -> directories and keys -> tor -> serve -> open rules
//	-> managed servers -> onions published -> ready
//
// A step that fails leaves the household as closed as it was, becomes a
// finding, and is tried again. A reload validates, compiles and compares
// everything before the first change; what did not change is not touched.
//
// The package parses no byte that a stranger sent. It declares the small
// interfaces that it needs; cmd/tunic gives it the real parts, tests give it
// strict fakes.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/leases"
	"tunic/gateway/link"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Tor is the tor process.
type Tor interface {
	Judge(ctx context.Context, s tor.Spec) error
	Apply(ctx context.Context, s tor.Spec) error
	Status() tor.Status
	// Rest ends it until the next Apply.
	Rest()
	// GaveUp reports whether tor has given up on a guard, and nobody is being served.
	GaveUp(ctx context.Context) bool
}

// FastTor is the tor for onions that are not anonymous.
type FastTor interface {
	Judge(ctx context.Context, s tor.Spec) error
	Apply(ctx context.Context, s tor.Spec) error
	Status() tor.Status
	// Rest ends it until the next Apply.
	Rest()
}

// Kernel is the packet filter and what the kernel knows of the network.
type Kernel interface {
	Apply(ctx context.Context, r rules.Ruleset) error
	Verify(ctx context.Context, r rules.Ruleset) ([]string, error)
	// CutFlows ends the connections for which doomed says so, by their mark and
	// the address that they were opened from, and returns how many those were.
	CutFlows(ctx context.Context, doomed func(mark uint32, from netip.Addr) bool) (int, error)
	Facts(ctx context.Context, interfaces []string) (feature.Facts, error)
	// Group puts the household's interfaces into a group that stays on them when
	// they get another name, and returns its number; 0: there is none.
	Group(ctx context.Context, interfaces []string) (uint32, error)
	Neighbours(ctx context.Context, interfaces []string) ([]feature.Neighbour, error)
	LocalPrefixes(ctx context.Context) ([]netip.Prefix, error)
	// Around says what is around the box and its household's interfaces.
	Around(ctx context.Context, household []string) (feature.Around, error)
}

// System is the box beside its packet filter.
type System interface {
	// Leases are what devices call themselves.
	Leases() ([]leases.Lease, error)
	// Wall says what is wrong with the second wall (decision 44); nothing: it stands.
	Wall() ([]string, error)
}

// Server is the serve process.
type Server interface {
	Apply(ctx context.Context, d link.Desired, listeners map[string]*os.File) ([]string, error)
	Status(ctx context.Context) (link.Status, error)
	// Mail asks about the queue of mail.
	Mail(ctx context.Context, q link.MailQuestion) (link.MailAnswer, error)
}

// Listeners are the sockets that serve accepts on.
type Listeners interface {
	Set(ctx context.Context, specs []supervise.ListenerSpec) error
	Files() map[string]*os.File
}

// Options are what a Gateway is made of. Every field is required.
type Options struct {
	Version   string
	Paths     config.Paths
	TorIDs    feature.IDs
	ServeIDs  feature.IDs
	MailIDs   feature.IDs // of config.MailUser; zero where there is no such user
	XMPPIDs   feature.IDs // of config.XMPPUser, likewise
	IRCIDs    feature.IDs // of config.IRCUser, likewise
	Log       *slog.Logger
	Features  []feature.Feature // in their order
	Tor       Tor
	Fast      FastTor
	Kernel    Kernel
	System    System
	Backend   func() error // says whether other programs use another part of the packet filter
	Server    Server
	Servers   Servers
	Listeners Listeners
	Notify    func(state string) // sd_notify(3)
}

// Gateway is one running daemon.
type Gateway struct {
	Options
	wake     chan struct{}
	requests chan func(context.Context)
	started  time.Time

	// Owned by the loop.
	ranges   feature.Ranges
	opened   bool          // the open rules are in force
	torHas   []tor.Onion   // that tor has accepted last
	held     bool          // `tunic lockdown`: stay closed until the next reload
	next     time.Time     // when a pass is due
	applied  rules.Ruleset // what the kernel has; empty when that is not known
	lastOpen rules.Input   // what flows were last allowed by
	looked   rules.Ruleset // what verify last looked for
	verified time.Time     // when it was all there

	machineStart time.Time // by the clock as it was at the last pass
	away         time.Time // since when Tor has not been reached; zero: it is
	out          wayOut

	last rules.Input // what was applied last, in either mode

	mu   sync.Mutex // guards what Status reads
	view view

	drifts []drift          // guarded by mu, the oldest first
	told   []health.Finding // by the last status; guarded by mu
}

// view is what the last pass left for Status.
type view struct {
	config   *config.Config
	in       desire.Inputs // what desired was computed from, with what is in force for a while
	state    api.State
	why      string
	findings []health.Finding
	desired  feature.Desired
	rules    rules.Ruleset // in force
	worked   bool          // everything has, once
	said     string        // to the service manager
}

// New returns a gateway for a validated configuration.
func New(o Options, c *config.Config) *Gateway {
	return &Gateway{
		Options:  o,
		wake:     make(chan struct{}, 1),
		requests: make(chan func(context.Context)),
		started:  time.Now(),
		view:     view{config: c, state: api.Closed, why: "starting"},
	}
}

// Wake makes the gateway look again soon. It never blocks.
func (g *Gateway) Wake() { signal(g.wake) }

// signal never blocks; several signals that nobody has taken yet are one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Times between passes when nothing happens, and after a failure. What changes
// the box wakes the loop; the passes in between find what nobody tells.
const (
	checkEvery = 30 * time.Second
	watchEvery = 5 * time.Second // between looks at what features watch
	retryAfter = 2 * time.Second
)

// Run closes the household, says that the daemon is in charge, then works until
// ctx ends, and closes the household again. It fails only if that cannot be
// closed at the start.
func (g *Gateway) Run(ctx context.Context) error {
	if err := g.close(ctx); err != nil {
		return fmt.Errorf("closing the household: %w", err)
	}
	defer func() {
		if err := g.close(context.WithoutCancel(ctx)); err != nil {
			g.Log.Error("closing the household at the end failed", "error", err)
		}
	}()
	box.Sweep(g.Paths, g.started, g.Log)
	var watching sync.WaitGroup
	defer watching.Wait()
	watchCtx, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	for _, f := range g.Features {
		if f, ok := f.(feature.Runner); ok {
			watching.Go(func() { f.Run(watchCtx) })
		}
	}
	g.Notify("READY=1")
	timer := time.NewTimer(g.work(ctx))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case f := <-g.requests:
			f(ctx)
			continue
		case <-g.wake:
		case <-timer.C:
			if g.resting(ctx) {
				timer.Reset(g.nap())
				continue
			}
		}
		timer.Reset(g.work(ctx))
	}
}

// work makes one pass and returns how long the next one can wait.
func (g *Gateway) work(ctx context.Context) time.Duration {
	wait := retryAfter
	if g.pass(ctx) {
		wait = checkEvery
	}
	g.next = time.Now().Add(g.sooner(wait))
	return g.nap()
}

// sooner is how long the loop may wait until a feature has to look again, and no
// longer than wait.
func (g *Gateway) sooner(wait time.Duration) time.Duration {
	for _, f := range g.Features {
		if f, ok := f.(feature.Sooner); ok {
			if next := f.Next(); !next.IsZero() {
				wait = min(wait, time.Until(next))
			}
		}
	}
	return max(wait, 0)
}

// nap is how long the loop may wait: until the next pass, and while a feature
// watches something no longer than watchEvery.
func (g *Gateway) nap() time.Duration {
	wait := max(time.Until(g.next), 0)
	if g.watching(feature.Watcher.Watching) {
		wait = min(wait, watchEvery)
	}
	return wait
}

// resting reports whether the next pass can still wait: its time has not come,
// and what features watch is as it was.
func (g *Gateway) resting(ctx context.Context) bool {
	changed := func(f feature.Watcher, s feature.Scene) bool { return f.Changed(ctx, s) }
	return time.Now().Before(g.next) && !g.watching(changed)
}

// watching reports whether that is so for a feature.
func (g *Gateway) watching(is func(feature.Watcher, feature.Scene) bool) bool {
	s := g.Now().Scene
	return slices.ContainsFunc(g.Features, func(f feature.Feature) bool {
		w, ok := f.(feature.Watcher)
		return ok && is(w, s)
	})
}

// amended is a configuration with what features have in force for a while.
func (g *Gateway) amended(c *config.Config) *config.Config {
	for _, f := range g.Features {
		if f, ok := f.(feature.Amender); ok {
			c = f.Amend(c)
		}
	}
	return c
}

// close swaps the closed rules in.
func (g *Gateway) close(ctx context.Context) error {
	v := g.snapshot()
	in := g.own(v.in)
	in.Config = g.amended(v.config)
	in.Group = g.group(ctx, in.Config)
	return g.applyRules(ctx, desire.Closed(ctx, g.Features, in))
}

// own adds what is this daemon's whatever it is computed for.
func (g *Gateway) own(in desire.Inputs) desire.Inputs {
	in.Paths, in.Ranges = g.Paths, g.ranges
	in.Tor, in.Serve, in.Mail, in.XMPP, in.IRC = g.TorIDs, g.ServeIDs, g.MailIDs, g.XMPPIDs, g.IRCIDs
	return in
}

// group returns the group of the household's interfaces. If one cannot be put
// into it, its name still holds.
func (g *Gateway) group(ctx context.Context, c *config.Config) uint32 {
	group, err := g.Kernel.Group(ctx, c.Household.Interfaces)
	if err != nil {
		g.Log.Warn("the household's interfaces are not all in their group", "error", err)
	}
	return group
}

func (g *Gateway) snapshot() view {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.view
}

// do runs f in the loop and waits for it.
func (g *Gateway) do(ctx context.Context, f func(context.Context) error) error {
	done := make(chan error, 1)
	select {
	case g.requests <- func(ctx context.Context) { done <- f(ctx) }:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reload reads the configuration again and applies it. With any mistake in it
// nothing changes. It also ends a lockdown that was asked for.
func (g *Gateway) Reload(ctx context.Context) error {
	return g.do(ctx, g.reload)
}

func (g *Gateway) reload(ctx context.Context) error {
	if err := g.load(ctx); err != nil {
		return err
	}
	g.held = false
	before := g.snapshot().findings
	g.pass(ctx)
	err := g.passError(before, reloadFault)
	if f, ok := errors.AsType[*api.Failure](err); ok {
		f.Hint = "the configuration is in force as far as possible; see `tunic status`"
	}
	return err
}

// load reads the configuration, and has it judged by all who can say something
// about it. With any mistake in it nothing changes; the next pass enforces it.
func (g *Gateway) load(ctx context.Context) error {
	c, err := feature.Load(g.Paths)
	if err != nil {
		return err
	}
	around, err := g.Kernel.Around(ctx, c.Household.Interfaces)
	if err != nil {
		g.Log.Debug("looking around failed", "error", err)
	}
	if err := check(ctx, g.Features, feature.Scene{Config: c, Paths: g.Paths, Around: around}); err != nil {
		return err
	}
	if err := g.judge(ctx, c); err != nil {
		return err
	}
	g.mu.Lock()
	g.view.config = c
	g.mu.Unlock()
	return nil
}

// check asks the features whether a configuration can be in force.
func check(ctx context.Context, features []feature.Feature, s feature.Scene) error {
	s.Foreseen = true
	for _, f := range features {
		if f, ok := f.(feature.Checker); ok {
			if err := f.Check(ctx, s); err != nil {
				return feature.Usage(err, "nothing was changed")
			}
		}
	}
	return nil
}

// Lockdown closes the household until the next reload.
func (g *Gateway) Lockdown(ctx context.Context) error {
	return g.do(ctx, func(ctx context.Context) error {
		g.held = true
		g.pass(ctx)
		if v := g.snapshot(); v.state != api.Closed {
			return errors.New(v.why)
		}
		return nil
	})
}
