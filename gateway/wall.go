package gateway

import (
	"context"
	"reflect"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/health"
	"tunic/rules"
)

// close swaps the closed rules in.
func (g *Gateway) close(ctx context.Context) error {
	v := g.snapshot()
	in := g.own(v.in)
	in.Config = g.amended(v.config)
	in.Group, in.Buckets = g.group(ctx, in.Config), g.Kernel.Buckets(ctx)
	return g.applyRules(ctx, desire.Closed(ctx, g.Features, in))
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

// rulesFailed closes what can still be closed.
func (p *pass) rulesFailed(ctx context.Context, err error) bool {
	p.why = "the rules could not be loaded"
	p.find(health.RulesFailed, "", "%v", err)
	p.Log.Error("loading the rules failed, the household is closed", "error", err)
	p.opened, p.applied = false, rules.Ruleset{}
	return false
}

// stayClosed keeps the closed rules in force while a step has not worked yet.
func (p *pass) stayClosed(ctx context.Context) {
	closed := p.in
	closed.Mode = rules.Lockdown
	if closed.Wishes == nil { // nobody has looked yet
		closed.Foresee(ctx, p.Features)
	}
	in := desire.State(closed).Rules
	err := p.applyRules(ctx, in)
	if err == nil {
		var drift []string
		if drift, err = p.verify(ctx); err == nil && len(drift) > 0 {
			p.RulesDrifted(drift)
			p.applied = rules.Ruleset{}
			err = p.applyRules(ctx, in)
		}
	}
	if err != nil {
		p.applied = rules.Ruleset{}
		p.find(health.RulesFailed, "", "closing the household: %v", err)
		p.Log.Error("closing the household failed", "error", err)
	}
}

// compilation is what rules.Compile has said last. Nobody writes to its input.
type compilation struct {
	from rules.Input
	to   rules.Ruleset // empty: nothing was compiled yet
}

// of is rules.Compile, which is not asked again what it was asked last: in a pass by which
// nothing changes it took as long as all that an empty house has.
func (c *compilation) of(in rules.Input) (rules.Ruleset, error) {
	if len(c.to.Tables) > 0 && reflect.DeepEqual(in, c.from) {
		return c.to, nil
	}
	to, err := rules.Compile(in)
	if err == nil {
		c.from, c.to = in, to
	}
	return to, err
}

// applyRules loads a ruleset unless it is loaded, and cuts the flows of
// devices for whom it is stricter than the last open one.
func (g *Gateway) applyRules(ctx context.Context, in rules.Input) error {
	next, err := g.compiled.of(in)
	if err != nil {
		return err
	}
	if next.Equal(g.applied) {
		return nil
	}
	if err := g.Kernel.Apply(ctx, next); err != nil {
		return err
	}
	g.looked, g.verified = next, time.Now() // Apply ends with a look
	if err := g.cut(ctx, in); err != nil {
		return err
	}
	if in.Mode == rules.Open {
		g.lastOpen = in
	}
	g.applied, g.last = next, in
	g.mu.Lock()
	g.current.rules = next
	g.mu.Unlock()
	return nil
}

// verify looks whether the rules are still there, if they are new or were not
// looked at for long.
func (g *Gateway) verify(ctx context.Context) ([]string, error) {
	if time.Since(g.verified) < verifyEvery && g.applied.Equal(g.looked) {
		return nil, nil
	}
	lines, err := g.Kernel.Verify(ctx, g.applied)
	g.looked, g.verified = g.applied, time.Now()
	if err != nil || len(lines) > 0 {
		g.verified = time.Time{}
	}
	return lines, err
}
