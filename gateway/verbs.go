package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/health"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Publish writes an onion's file and applies it. If anything is wrong with it,
// the file is gone again and nothing has changed.
func (g *Gateway) Publish(ctx context.Context, r api.PublishRequest) (api.Onion, error) {
	o, err := ParseOnion(g.Paths, r)
	if err != nil {
		return api.Onion{}, err
	}
	err = g.do(ctx, func(ctx context.Context) error { return g.publish(ctx, o) })
	if err != nil {
		return api.Onion{}, err
	}
	return g.onion(ctx, o.Name)
}

// ParseOnion checks the words of a publish request.
func ParseOnion(p config.Paths, r api.PublishRequest) (config.Onion, error) {
	o := config.Onion{Name: r.Name, As: r.As, Private: r.Private || len(r.Clients) > 0, Fast: r.Fast}
	if r.Name == config.HomeOnion {
		return o, usage(errors.New("home is this box's own onion, by which friends' boxes reach it"),
			"give the service a name of its own: tunic publish photos 80=192.168.1.20:8080")
	}
	r, err := expand(p, r)
	if err != nil {
		return o, err
	}
	var errs []error
	for _, text := range r.Clients {
		c, err := config.ParseClient(text)
		errs = append(errs, err)
		o.Clients = append(o.Clients, c)
	}
	if len(r.Ports) == 0 {
		errs = append(errs, errors.New("no port was given, such as 80=192.168.1.20:8080"))
	}
	for _, text := range r.Ports {
		p, err := config.ParsePortTarget(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		o.Ports = append(o.Ports, p)
	}
	if err := errors.Join(errs...); err != nil {
		return o, usage(err, "example: tunic publish photos 80=192.168.1.20:8080")
	}
	slices.SortFunc(o.Ports, func(a, b config.Port) int { return int(a.Virtual) - int(b.Virtual) })
	return o, nil
}

func (g *Gateway) publish(ctx context.Context, o config.Onion) error {
	if err := g.usable(); err != nil {
		return err
	}
	if local, err := g.Kernel.LocalPrefixes(ctx); err == nil {
		if err := RefuseTargets(o, local); err != nil {
			return err
		}
	}
	return g.edit(ctx, edit{
		files: []string{g.Paths.OnionFile(o.Name)},
		write: func() error { return WriteOnion(g.Paths, o) },
		undo:  g.forgetNewKeys(o.Name),
		load:  true,
		fault: onionFault,
	})
}

// forgetNewKeys takes away keys that the pass will make for an onion which has
// none yet.
func (g *Gateway) forgetNewKeys(name string) (undo func() error) {
	dir := g.Paths.OnionKeys(name)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return func() error { return durable.RemoveAll(dir) }
}

// WriteOnion makes the file of an onion, without reading the others.
func WriteOnion(p config.Paths, o config.Onion) error {
	if err := config.WriteOnion(p, o); err != nil {
		return usage(err, "to change it, edit its file and run `tunic reload`, or `tunic unpublish` it first")
	}
	return nil
}

// Unpublish removes an onion's file and applies that. Its keys stay, so that
// publishing the name again gives the same address, unless the request says to
// delete them too, which is done last: when tor has let go of them.
func (g *Gateway) Unpublish(ctx context.Context, r api.UnpublishRequest) error {
	if err := CheckUnpublish(r); err != nil {
		return err
	}
	return g.do(ctx, func(ctx context.Context) error {
		e := edit{
			files: []string{g.Paths.OnionFile(r.Name)},
			write: func() error { return removeOnion(g.Paths, r) },
			load:  true,
			fault: onionFault,
		}
		if r.ForgetKey {
			e.last = func() error { return g.rotations.forgetKeys(g.Paths, r.Name) }
		}
		return g.edit(ctx, e)
	})
}

// removeOnion removes the file of an onion. One whose keys alone are left has
// none.
func removeOnion(p config.Paths, r api.UnpublishRequest) error {
	err := config.RemoveOnion(p, r.Name)
	switch {
	case err == nil, r.ForgetKey && errors.Is(err, fs.ErrNotExist) && hasKeys(p, r.Name):
		return nil
	}
	return usage(err, "`tunic onions` lists the names")
}

// UnpublishAlone is Unpublish when no daemon runs.
func UnpublishAlone(p config.Paths, r api.UnpublishRequest) error {
	if err := CheckUnpublish(r); err != nil {
		return err
	}
	err := EditAlone(p, func() error { return removeOnion(p, r) }, p.OnionFile(r.Name))
	if err != nil || !r.ForgetKey {
		return err
	}
	old := newRotations(p)
	if err := old.load(); err != nil {
		return err
	}
	return old.forgetKeys(p, r.Name)
}

// CheckUnpublish refuses the box's own onion.
func CheckUnpublish(r api.UnpublishRequest) error {
	switch {
	case r.Name != config.HomeOnion:
		return nil
	case r.ForgetKey:
		return forgetHome()
	}
	return usage(errors.New("home is this box's own onion, which is always there"),
		"while it is not public, nobody finds it but friends (`tunic peers`) and who has an invitation")
}

// usage is for errors of what was asked for, unless the disk is the reason.
func usage(err error, hint string) error {
	return &api.Failure{Problem: api.Problem{Error: err.Error(), Hint: hint, Usage: !durable.Trouble(err)}}
}

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
		v := g.snapshot()
		if v.state == api.Closed {
			plan.Closed = v.why
		}
		now, err := g.foresee(ctx, v.config, v)
		if err != nil {
			return err
		}
		c = withInvited(c, v.config.Invited)
		next, err := g.foresee(ctx, c, v)
		if err != nil {
			return err
		}
		plan.Changes = append(plan.Changes, diffTor(now.Tor, next.Tor)...)
		plan.Changes = append(plan.Changes, diffFast(now.Fast, next.Fast)...)
		before, err := rules.Compile(now.Rules)
		if err != nil {
			return err
		}
		changes, err := diffRules(before, next.Rules)
		plan.Changes = append(plan.Changes, changes...)
		plan.Changes = append(plan.Changes, diffOnions(v.config, c)...)
		return err
	})
	return plan, err
}

// foresee returns what a configuration would lead to, and changes nothing.
func (g *Gateway) foresee(ctx context.Context, c *config.Config, v view) (Desired, error) {
	temporary := g.temporary.current()
	now := effective(c, temporary)
	facts, err := g.Kernel.Facts(ctx, now.Household.Interfaces)
	if err != nil {
		return Desired{}, fmt.Errorf("reading the network interfaces: %w", err)
	}
	entry, err := FindEntry(c)
	if err != nil {
		return Desired{}, err
	}
	return desire(Inputs{Config: now, Temporary: temporary, Facts: facts, Around: v.around, Group: v.desired.Rules.Group, Paths: g.Paths, Tor: g.TorIDs, Serve: g.ServeIDs, Mail: g.MailIDs, XMPP: g.XMPPIDs, IRC: g.IRCIDs,
		Ranges: g.ranges, Addresses: v.addresses, Old: v.old, Mode: rules.Open, Entry: entry, OverTor: g.Tor.Status().OverTor,
		Friends: v.friends, Grants: g.grants.current(time.Now())}), nil
}

// judge asks tor whether it would take the owner's part of a configuration.
// That tor is not there is no mistake of the configuration: the household stays
// closed, and the status says why.
func (g *Gateway) judge(ctx context.Context, c *config.Config) error {
	if err := g.usable(); err != nil {
		return err
	}
	v := g.snapshot()
	next, err := g.foresee(ctx, c, v)
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
	return usage(err, "nothing was changed")
}

// PlanAlone is the plan when no daemon runs: all the rules of the open state.
// On a box where none ever ran, the virtual ranges in it are an example.
func PlanAlone(ctx context.Context, k Kernel, p config.Paths, torIDs, serveIDs IDs) (api.Plan, error) {
	c, err := loadConfig(p)
	if err != nil {
		return api.Plan{}, err
	}
	facts, err := k.Facts(ctx, c.Household.Interfaces)
	if err != nil {
		return api.Plan{}, fmt.Errorf("reading the network interfaces: %w", err)
	}
	local, err := k.LocalPrefixes(ctx)
	if err != nil {
		return api.Plan{}, fmt.Errorf("reading the local prefixes: %w", err)
	}
	ranges, _, err := findRanges(p.StateFile(), local)
	if err != nil {
		return api.Plan{}, err
	}
	around, err := k.Around(ctx, c.Household.Interfaces)
	if err != nil {
		return api.Plan{}, err
	}
	changes, err := diffRules(rules.Ruleset{}, ruleInput(Inputs{Config: c, Facts: facts, Around: around, Paths: p, Tor: torIDs, Serve: serveIDs, Ranges: ranges, Mode: rules.Open}))
	changes = append(changes, diffOnions(&config.Config{}, c)...)
	return api.Plan{Changes: changes}, err
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
	for _, o := range withHome(c) {
		if !published(c, o) {
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

// ClosedRules are the closed rules of a configuration, for the verb lockdown
// when no daemon runs.
func ClosedRules(c *config.Config, p config.Paths, torUID uint32, facts Facts, around Around) rules.Input {
	return ruleInput(Inputs{Config: c, Facts: facts, Around: around, Paths: p, Tor: IDs{UID: torUID}, Mode: rules.Lockdown})
}
