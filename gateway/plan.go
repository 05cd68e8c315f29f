package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Plan compares what the configuration on disk would lead to with what that in
// force leads to. That the household is closed now, or not open yet, is no change
// of a file's.
func (g *Gateway) Plan(ctx context.Context) (api.Plan, error) {
	plan := api.Plan{Running: true, Changes: []string{}}
	err := g.do(ctx, func(ctx context.Context) error {
		c, err := feature.Load(g.Paths)
		if err != nil {
			return err
		}
		changes, err := g.changes(ctx, c)
		if err != nil {
			return err
		}
		v := g.snapshot()
		if v.state == api.Closed {
			plan.Closed = v.why
		}
		plan.Files = config.ChangedFiles(v.config, c)
		plan.Changes = append(plan.Changes, slices.Concat(WallChanges(g.lookAtWall().Wrong), changes)...)
		return nil
	})
	return plan, err
}

// Changes implements feature.Host.
func (g *Gateway) Changes(ctx context.Context, c *config.Config) (changes []string, err error) {
	err = g.do(ctx, func(ctx context.Context) (err error) {
		changes, err = g.changes(ctx, c)
		return err
	})
	return changes, err
}

// changes compares what a configuration would lead to with what that in force leads to,
// if those who can say something about it take it.
func (g *Gateway) changes(ctx context.Context, c *config.Config) ([]string, error) {
	if err := g.usable(); err != nil {
		return nil, err
	}
	if err := check(ctx, g.Features, feature.Scene{Config: c, Paths: g.Paths}); err != nil {
		return nil, err
	}
	v := g.snapshot()
	now, err := g.again(ctx, v.config, v.in)
	if err != nil {
		return nil, err
	}
	next, err := g.foresee(ctx, c, v.in)
	if err != nil {
		return nil, err
	}
	wanted, err := g.possible(ctx, next)
	if err != nil {
		return nil, err
	}
	return feature.Diff(desire.State(now), wanted)
}

// foresee returns what that is computed from to which a configuration would lead, and
// changes nothing. in is what the rest of it is computed from.
func (g *Gateway) foresee(ctx context.Context, c *config.Config, in desire.Inputs) (desire.Inputs, error) {
	in.Wishes = nil
	return g.again(ctx, c, in)
}

// again is foresee with what features have seen last.
func (g *Gateway) again(ctx context.Context, c *config.Config, in desire.Inputs) (desire.Inputs, error) {
	known := in.Facts
	in.Config, in.Written, in.Mode = g.amended(c), c, rules.Open
	facts, err := g.Kernel.Facts(ctx, in.Config.Household.Interfaces)
	if err != nil {
		return in, fmt.Errorf("reading the network interfaces: %w", err)
	}
	facts.RelayTime = known.RelayTime
	in.Facts = remember(known, facts)
	in.Surroundings = in.Surroundings.Around(in.Config.Household.Interfaces)
	in.TorNow = g.Tor.Status()
	in = g.own(in)
	if in.Wishes == nil {
		in.Foresee(ctx, g.Features)
	}
	return in, nil
}

// judge refuses a configuration whose rules cannot be, and one with lines that tor
// does not take.
func (g *Gateway) judge(ctx context.Context, c *config.Config) error {
	if err := g.usable(); err != nil {
		return err
	}
	v := g.snapshot()
	next, err := g.foresee(ctx, c, v.in)
	if err != nil {
		return err
	}
	wanted, err := g.possible(ctx, next)
	if err != nil {
		return err
	}
	return g.verifyTor(ctx, v.desired.Tor, wanted)
}

// possible refuses what the rules cannot do, unless the configuration in force fails in
// the same: an interface that has changed since must not keep its owner from closing an
// onion, for one. It returns what would be wanted.
func (g *Gateway) possible(ctx context.Context, next desire.Inputs) (feature.Desired, error) {
	wanted := desire.State(next)
	faults := g.faults(next, wanted)
	if len(faults) == 0 {
		return wanted, nil
	}
	v := g.snapshot()
	if now, err := g.again(ctx, v.config, v.in); err == nil {
		faults = desire.Worse(g.faults(now, desire.State(now)), faults)
	}
	if len(faults) == 0 {
		return wanted, nil
	}
	return wanted, feature.Usage(errors.Join(faults...), "nothing was changed; `tunic explain network-unfit` says more")
}

// faults are desire.Faults. The rules that it compiles are those of the pass that follows, as a rule.
func (g *Gateway) faults(in desire.Inputs, wanted feature.Desired) []error {
	_, unmade := g.compiled.of(wanted.Rules)
	return desire.Faults(in, unmade)
}

// verifyTor asks tor whether it would take the owner's part of a configuration.
// That tor is not there is no mistake of the configuration: the household stays
// closed, and the status says why.
func (g *Gateway) verifyTor(ctx context.Context, before tor.Spec, next feature.Desired) error {
	after := next.Tor
	for _, s := range []*tor.Spec{&before, &after} { // tunic's own lines need no check
		s.Onions, s.Auth, s.Maps = nil, nil, nil
	}
	if before.Equal(after) {
		return nil
	}
	err := g.Tor.Verify(ctx, after)
	if fast := next.Fast; err == nil && len(fast.Onions) > 0 {
		fast.Onions = nil
		err = g.Fast.Verify(ctx, fast)
	}
	if err == nil || before.Binary == after.Binary && torCode(err) == health.TorMissing {
		return nil
	}
	return feature.Usage(err, "nothing was changed")
}

// WallChanges say that the second wall is built again, and why.
func WallChanges(wrong []string) []string {
	var lines []string
	for _, line := range wrong {
		lines = append(lines, "! the second wall is built again: "+line)
	}
	return lines
}

// usable says why the box has not even got as far as to have directories and
// ranges: nothing that it is asked for can be judged then, or done.
func (g *Gateway) usable() error {
	if g.ranges.Virtual4.IsValid() {
		return nil
	}
	return &api.Failure{Problem: api.Problem{Error: cmp.Or(g.snapshot().why, "the daemon is starting"), Hint: "nothing was changed"}}
}
