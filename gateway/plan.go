package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/describe"
	"tunic/gateway/endpoint/irc"
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
		c, err := loadConfig(g.Paths)
		if err != nil {
			return err
		}
		if err := g.usable(); err != nil {
			return err
		}
		if err := check(ctx, g.Features, feature.Scene{Config: c, Paths: g.Paths}); err != nil {
			return err
		}
		v := g.snapshot()
		if v.state == api.Closed {
			plan.Closed = v.why
		}
		now, err := g.again(ctx, v.config, v.in)
		if err != nil {
			return err
		}
		c = withInvited(c, v.config.Invited)
		next, err := g.foresee(ctx, c, g.lookAhead(c, v.in))
		if err != nil {
			return err
		}
		changes, err := differences(now, next)
		plan.Changes = slices.Concat(plan.Changes, WallChanges(g.lookAtWall().Wrong), changes, diffOnions(v.config, c))
		return err
	})
	return plan, err
}

// foresee returns what a configuration would lead to, and changes nothing. in is
// what the rest of it is computed from.
func (g *Gateway) foresee(ctx context.Context, c *config.Config, in Inputs) (Desired, error) {
	in.Wishes = nil
	return g.again(ctx, c, in)
}

// again returns what a configuration leads to with what features have seen last.
func (g *Gateway) again(ctx context.Context, c *config.Config, in Inputs) (Desired, error) {
	known := in.Facts
	in.Config, in.Mode = g.amended(c), rules.Open
	facts, err := g.Kernel.Facts(ctx, in.Config.Household.Interfaces)
	if err != nil {
		return Desired{}, fmt.Errorf("reading the network interfaces: %w", err)
	}
	facts.RelayTime = known.RelayTime
	in.Facts = remember(known, facts)
	in.TorNow = g.Tor.Status()
	in = g.own(in)
	if in.Wishes == nil {
		in.foresee(ctx, g.Features)
	}
	return desire(in), nil
}

// toBeMade stands in a plan for secrets that the reload makes.
const toBeMade = "made at the reload"

// lookAhead adds what a pass with another configuration would read from files,
// and stands in for what it would make.
func (g *Gateway) lookAhead(c *config.Config, in Inputs) Inputs {
	in.SmarthostPassword, _ = smarthostPassword(c) // without it the plan has no smarthost, as the pass
	if _, ok := c.IRC(); ok && in.IRCSecrets == (irc.Secrets{}) {
		in.IRCSecrets = irc.Secrets{Salt: toBeMade, Operator: toBeMade}
	}
	if c.XMPP() && in.ChatLeaf.Key == "" {
		in.ChatLeaf = ca.Leaf{Cert: toBeMade, Key: toBeMade}
	}
	return in
}

// judge asks tor whether it would take the owner's part of a configuration.
// That tor is not there is no mistake of the configuration: the household stays
// closed, and the status says why.
func (g *Gateway) judge(ctx context.Context, c *config.Config) error {
	if err := g.usable(); err != nil {
		return err
	}
	v := g.snapshot()
	next, err := g.foresee(ctx, c, v.in)
	if err != nil {
		return err
	}
	before, after := v.desired.Tor, next.Tor
	for _, s := range []*tor.Spec{&before, &after} { // tunic's own lines need no judge
		s.Onions, s.Auth, s.Maps = nil, nil, nil
	}
	if before.Equal(after) {
		return nil
	}
	err = g.Tor.Judge(ctx, after)
	if err == nil && len(next.Fast.Onions) > 0 {
		err = g.Fast.Judge(ctx, next.Fast)
	}
	if err == nil || before.Binary == after.Binary && torCode(err) == health.TorMissing {
		return nil
	}
	return feature.Usage(err, "nothing was changed")
}

// PlanAlone is the plan when no daemon runs: all the rules of the open state.
// On a box where none ever ran, the virtual ranges in it are an example. in has
// the paths and the system users.
func PlanAlone(ctx context.Context, k Kernel, features []feature.Feature, in Inputs) (api.Plan, error) {
	c, err := loadConfig(in.Paths)
	if err != nil {
		return api.Plan{}, err
	}
	if in.Facts, err = k.Facts(ctx, c.Household.Interfaces); err != nil {
		return api.Plan{}, fmt.Errorf("reading the network interfaces: %w", err)
	}
	local, err := k.LocalPrefixes(ctx)
	if err != nil {
		return api.Plan{}, fmt.Errorf("reading the local prefixes: %w", err)
	}
	if in.Ranges, _, err = findRanges(in.Paths.StateFile(), local); err != nil {
		return api.Plan{}, err
	}
	if in.Around, err = k.Around(ctx, c.Household.Interfaces); err != nil {
		return api.Plan{}, err
	}
	in.Config, in.Mode = c, rules.Open
	in.foresee(ctx, features)
	changes, err := diffRules(rules.Ruleset{}, ruleInput(in))
	changes = append(changes, diffOnions(&config.Config{}, c)...)
	return api.Plan{Changes: changes}, err
}

// differences lists all that is other in one desired state than in another, and
// no secret.
func differences(now, next Desired) ([]string, error) {
	before, err := rules.Compile(now.Rules)
	if err != nil {
		return nil, err
	}
	ruleChanges, err := diffRules(before, next.Rules)
	if err != nil {
		return nil, err
	}
	return slices.Concat(diffTor(now.Tor, next.Tor), diffFast(now.Fast, next.Fast), ruleChanges,
		diffLines("", describe.Lines("listener", now.Listeners), describe.Lines("listener", next.Listeners)),
		diffLines("", describe.Lines("serve", now.Serve), describe.Lines("serve", next.Serve)),
		diffServers(now.Servers, next.Servers)), nil
}

// WallChanges say that the second wall is built again, and why.
func WallChanges(wrong []string) []string {
	var lines []string
	for _, line := range wrong {
		lines = append(lines, "! the second wall is built again: "+line)
	}
	return lines
}

func diffRules(applied rules.Ruleset, in rules.Input) ([]string, error) {
	next, err := rules.Compile(in)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, c := range rules.Diff(applied, next) {
		lines = append(lines, c.String())
	}
	return lines, nil
}

// diffTor lists the lines of the torrc that go and come, and says when tor
// must be restarted for them.
func diffTor(before, after tor.Spec) []string {
	var lines []string
	for _, reason := range tor.RestartReasons(before, after) {
		lines = append(lines, "! tor is restarted: "+reason)
	}
	had, has := strings.Split(tor.Render(before, tor.Version{}), "\n"), strings.Split(tor.Render(after, tor.Version{}), "\n")
	return append(lines, redacted(diffLines("torrc ", had, has))...)
}

// diffLines lists the lines that only one of two texts has.
func diffLines(what string, had, has []string) []string {
	var lines []string
	for _, l := range had {
		if !slices.Contains(has, l) {
			lines = append(lines, "- "+what+l)
		}
	}
	for _, l := range has {
		if !slices.Contains(had, l) {
			lines = append(lines, "+ "+what+l)
		}
	}
	return lines
}

// diffOnions lists the ports that lead elsewhere after a reload; where they
// lead is not in the torrc.
func diffOnions(before, after *config.Config) []string {
	return diffLines("onion ", onionLines(before), onionLines(after))
}

func onionLines(c *config.Config) []string {
	var lines []string
	for _, o := range c.AllOnions() {
		if !c.Published(o) {
			continue
		}
		for _, k := range c.ClientKeys(o) {
			lines = append(lines, fmt.Sprintf("%s is found by the key %s", o.Name, k))
		}
		for _, p := range o.Ports {
			lines = append(lines, fmt.Sprintf("%s port %d -> %s", o.Name, p.Virtual, p.Target))
		}
	}
	return lines
}
