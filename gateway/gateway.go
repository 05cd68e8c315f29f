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
	"fmt"
	"slices"
	"sync"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Gateway is one running daemon.
type Gateway struct {
	Options
	wake     chan struct{}
	soon     chan struct{}
	requests chan func(context.Context)
	started  time.Time

	// Owned by the loop.
	ranges   feature.Ranges
	complete bool          // serve has had all that is wanted of it
	opened   bool          // the open rules are in force
	torHas   []tor.Onion   // that tor has accepted last
	done     bool          // all that the last pass had to do is done
	held     bool          // `tunic lockdown`: stay closed until the next reload
	next     time.Time     // when a pass is due
	asked    bool          // it is because Soon was called
	pace     time.Duration // to such a pass, if that is longer than gather
	passed   time.Time     // when the last one was over
	applied  rules.Ruleset // what the kernel has; empty when that is not known
	compiled compilation
	kept     desire.Kept           // what is wanted
	sight    *feature.Surroundings // that load has seen for the pass that follows; nil: it looks itself
	lastOpen rules.Input           // what flows were last allowed by
	looked   rules.Ruleset         // what verify last looked for
	verified time.Time             // when it was all there

	upkeep tor.Upkeep

	last rules.Input // what was applied last, in either mode

	mu      sync.Mutex // guards what Status reads
	current snapshot

	drifts []drift          // guarded by mu, the oldest first
	told   []health.Finding // by the last status; guarded by mu
}

// New returns a gateway for a validated configuration.
func New(o Options, c *config.Config) *Gateway {
	g := &Gateway{
		Options:  o,
		upkeep:   tor.Upkeep{Log: o.Log, Tor: o.Tor, Also: o.Fast},
		wake:     make(chan struct{}, 1),
		soon:     make(chan struct{}, 1),
		requests: make(chan func(context.Context)),
		started:  time.Now(),
		current:  snapshot{config: c, state: api.Closed, why: "starting"},
	}
	if o.Heir != nil {
		g.inherit(o.Heir.Was)
	}
	return g
}

// Wake makes the gateway look again soon. It never blocks.
func (g *Gateway) Wake() { signal(g.wake) }

// Soon makes the gateway look again, at once if it has not for a while, else with what
// else comes within a second, within four if that goes on. It is for what comes many at a time, and never blocks.
func (g *Gateway) Soon() { signal(g.soon) }

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
	gather     = time.Second // from a pass to the next one that Soon has asked for
	gatherMost = 4 * gather  // the same, when one such pass has followed another for a while
)

// Run closes the household, says that the daemon is in charge, then works until
// ctx ends, and closes the household again. It fails only if that cannot be
// closed at the start. The household of another daemon, whose place this one is to
// take, it leaves as it is, and closes it only once it has that place, without which
// it fails too.
func (g *Gateway) Run(ctx context.Context) error {
	if g.Heir == nil {
		if err := g.close(ctx); err != nil {
			return fmt.Errorf("closing the household: %w", err)
		}
	}
	defer func() {
		if g.Heir != nil {
			return
		}
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
	if g.Heir == nil {
		g.Notify("READY=1")
	}
	timer := time.NewTimer(g.work(ctx))
	defer timer.Stop()
	for {
		if err := g.succeed(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case f := <-g.requests:
			f(ctx)
			continue
		case <-g.wake:
		case <-g.soon:
			if g.gathering() {
				timer.Reset(g.nap())
				continue
			}
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
	if g.asked { // tor publishes fifty onions, say: each upload is told
		g.pace = min(max(2*g.pace, gather), gatherMost)
	} else {
		g.pace = 0
	}
	g.asked = false
	switch g.done = g.pass(ctx); {
	case g.done && g.upkeep.Away():
		wait = watchEvery
	case g.done:
		wait = checkEvery
	}
	if g.Heir != nil {
		wait = trialAgain
	}
	g.next = time.Now().Add(g.sooner(wait))
	return g.nap()
}

// gathering reports whether what Soon tells of can wait, and has the next pass come when
// it no longer can.
func (g *Gateway) gathering() bool {
	due := g.passed.Add(max(g.pace, gather))
	if !time.Now().Before(due) {
		return false
	}
	if due.Before(g.next) {
		g.next, g.asked = due, true
	}
	return true
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
