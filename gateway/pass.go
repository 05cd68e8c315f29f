package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/tor"
	"tunic/rules"
)

// attempt is one pass over the steps.
type attempt struct {
	*Gateway
	in       desire.Inputs
	desired  feature.Desired
	findings []health.Finding
	why      string // why the household is not open
}

// find notes a finding about a subject: an onion, a device, a server, a friend, an
// interface; "" is the box.
func (a *attempt) find(code health.Code, subject, format string, args ...any) {
	a.findings = append(a.findings, health.New(code, subject, fmt.Sprintf(format, args...)))
}

// pass makes the box what the configuration says, as far as it goes, and
// reports whether all of it is done.
func (g *Gateway) pass(ctx context.Context) bool {
	v := g.snapshot()
	a := &attempt{Gateway: g, in: g.own(desire.Inputs{Scene: feature.Scene{Config: g.amended(v.config), Written: v.config, Lockdown: g.held, Addresses: v.in.Addresses, Mode: rules.Open}})}
	done := a.steps(ctx)
	if !done && !g.opened {
		a.stayClosed(ctx)
	}
	state := api.Closed
	if g.opened {
		state = api.Open
	}
	slices.SortStableFunc(a.findings, func(x, y health.Finding) int { return x.Severity.Rank() - y.Severity.Rank() })
	health.Date(a.findings, v.findings, time.Now())
	g.mu.Lock()
	g.view.in, g.view.desired = a.in, a.desired
	g.view.state, g.view.why, g.view.findings = state, a.why, a.findings
	g.mu.Unlock()
	for _, f := range g.Features {
		if f, ok := f.(feature.Settler); ok {
			f.Settle()
		}
	}
	g.notify(ctx)
	return done
}

// steps are in the order of the package comment. Each says why it stopped.
func (a *attempt) steps(ctx context.Context) bool {
	if !a.learn(ctx) || !a.prepare(ctx) {
		return false
	}
	a.followStep()
	a.followWayOut(ctx)
	a.in.TorNow, a.in.Certain = a.Tor.Status(), a.certain()
	var report feature.Report
	a.in.Look(ctx, a.Features, &report)
	a.findings = append(a.findings, report.Findings...)
	if err := a.Backend(); err != nil {
		a.find(health.RulesMixed, "", "%v", err)
	}
	a.desired = desire.State(a.in)
	a.needForwarding()
	if a.held {
		return a.lockedDown(ctx)
	}
	if name := feature.UplinkAsHousehold(a.in.Config, a.in.Around.Links); name != "" {
		a.why = name + " is this box's way to the internet, not the household's"
		a.opened = false
		return false
	}
	a.shrinkFast(ctx)
	done := a.applyTor(ctx) && a.applyServe(ctx) && a.open(ctx) && a.applyServers()
	a.applyFast(ctx)
	return done
}

// lockedDown closes the household first. Onions, friends and servers go on to
// follow what is asked for: somebody who is shut out of an onion is shut out.
func (a *attempt) lockedDown(ctx context.Context) bool {
	a.opened = false
	a.stayClosed(ctx)
	a.shrinkFast(ctx)
	a.applyTor(ctx)
	a.applyServe(ctx)
	a.applyServers()
	a.applyFast(ctx)
	a.why = "lockdown was asked for"
	a.find(health.Lockdown, "", "the household is closed because lockdown was asked for")
	return false
}

// learn asks the kernel what the household looks like now.
func (a *attempt) learn(ctx context.Context) bool {
	facts, err := a.Kernel.Facts(ctx, a.in.Config.Household.Interfaces)
	if err != nil {
		a.why = "the network interfaces could not be read"
		a.find(health.RulesFailed, "", "reading the network interfaces: %v", err)
		return false
	}
	a.in.Group = a.group(ctx, a.in.Config)
	facts.RelayTime = a.relayTime()
	a.lookAround(ctx)
	a.in.Facts = remember(a.snapshot().in.Facts, facts)
	for _, i := range a.in.Facts.Interfaces {
		if i.Away {
			a.in.Around.Renamed = append(a.in.Around.Renamed, i.Name)
		}
	}
	for _, i := range facts.Interfaces {
		switch {
		case i.Index == 0 && len(a.in.Around.Links) == 0: // else it is told what there is instead
			a.find(health.InterfaceMissing, i.Name, "the household interface %s does not exist yet", i.Name)
		case i.Index != 0 && len(i.Addresses) == 0:
			a.find(health.NoAddress, i.Name, "the household interface %s has no address", i.Name)
		}
	}
	return true
}

// needForwarding finds that devices are to go direct and that the box lets nobody
// through (net.ipv4.ip_forward).
func (a *attempt) needForwarding() {
	in := a.desired.Rules
	out := func(p rules.Policy) bool { return p == rules.Direct || p == rules.Onion }
	direct := len(in.Bypasses) > 0 || len(in.Guests) > 0 || out(in.Default) ||
		slices.ContainsFunc(in.Devices, func(d rules.Device) bool { return out(d.Policy) })
	if direct && !a.in.Facts.Forwarding {
		a.find(health.ForwardingOff, "", "a device may go direct, but this box does not forward packets")
	}
}

// remember keeps what was known of a household interface that is away: when it
// got another name its devices are still there, the last net of the rules must
// go on to know their addresses, and listeners bound to it go on working (L29).
func remember(before, now feature.Facts) feature.Facts {
	now.Interfaces = slices.Clone(now.Interfaces)
	for i, n := range now.Interfaces {
		for _, b := range before.Interfaces {
			if n.Index == 0 && b.Name == n.Name {
				now.Interfaces[i] = b
				now.Interfaces[i].Away = true
			}
		}
	}
	return now
}

// prepare makes directories and ranges.
func (a *attempt) prepare(ctx context.Context) bool {
	err := box.Prepare(a.Paths, a.TorIDs)
	if err == nil {
		err = a.loadRanges(ctx)
	}
	if err != nil {
		a.why = err.Error()
		what := "the household stays closed, and tor is not started"
		if a.opened {
			what = "what is in force stays so, and nothing else is done"
		}
		a.findings = append(a.findings, box.Finding(err, what))
		return false
	}
	a.in.Ranges = a.ranges
	if words := box.Full(a.Paths.State); words != "" {
		a.find(health.DiskNearlyFull, a.Paths.State, "the disk with %s is nearly full: %s", a.Paths.State, words)
	}
	return true
}

func (a *attempt) loadRanges(ctx context.Context) error {
	local, err := a.Kernel.LocalPrefixes(ctx)
	if err != nil {
		return box.Cannot(health.NetworksUnreadable, "", "reading the local prefixes: %w", err)
	}
	if !a.ranges.Virtual4.IsValid() {
		if a.ranges, err = box.LoadRanges(a.Paths.StateFile(), local); err != nil {
			return err
		}
	}
	a.in.Local = local
	if p, bad := a.ranges.Overlap(local); bad {
		a.find(health.VirtualOverlap, p.String(), "the local network %s overlaps the virtual addresses for onions in %s", p, a.Paths.StateFile())
	}
	return nil
}

// applyTor gives tor its configuration. Once the household is open, a tor that
// is down closes nothing: the rules lead to nobody until it is back.
func (a *attempt) applyTor(ctx context.Context) bool {
	err := a.desired.NoTor
	if err == nil {
		err = a.Tor.Apply(ctx, a.desired.Tor)
	}
	if err == nil {
		a.torHas = a.desired.Tor.Onions
	}
	st := a.Tor.Status()
	switch {
	case err != nil:
		a.why = "tor did not take the configuration"
		a.find(torCode(err), "", "%v", err)
	case !st.Running && st.LastError == "": // at the start, and when a reload needs another process
		a.why = "tor is being started"
		a.find(health.TorNotReady, "", "tor is being started")
	case !st.Running:
		a.why = "tor is not running"
		a.find(health.TorDown, "", "tor is not running: %s", st.LastError)
	case st.Bootstrap < 100:
		a.why = "Tor is connecting: " + torProgress(st)
		if !a.torAway(st) {
			a.find(health.TorNotReady, "", "%s", a.why)
		}
	}
	if old := st.Old(); old != "" {
		a.find(health.TorOld, "", "%s", old)
	}
	a.tellTorAway(st)
	if st.ClockSkew != 0 {
		a.find(health.ClockSkew, "", "tor sees that this box's clock is wrong by %s", st.ClockSkew)
	}
	return a.opened || err == nil && st.Running && st.Bootstrap == 100
}

func torCode(err error) health.Code {
	switch {
	case errors.As(err, new(*tor.MissingTransportError)):
		return health.TransportMissing
	case errors.Is(err, tor.ErrNoGeoIP):
		return health.GeoIPMissing
	case errors.Is(err, tor.ErrNoTor), errors.As(err, new(*tor.TooOldError)):
		return health.TorMissing
	}
	return health.TorRefused
}

// applyServe opens the listeners and hands them and the work to serve.
func (a *attempt) applyServe(ctx context.Context) bool {
	if err := a.Listeners.Set(ctx, a.desired.Listeners); err != nil {
		a.find(health.ServeProblem, "", "%v", err)
	}
	failed, err := a.Server.Apply(ctx, a.desired.Serve, a.Listeners.Files())
	if err != nil {
		a.why = "the part that serves devices and visitors is not running"
		a.find(health.ServeDown, "", "%v", err)
		return a.opened
	}
	for _, f := range failed {
		a.find(health.ServeProblem, "", "%s", f)
	}
	return true
}

// open swaps the open rules in and looks whether they are there.
func (a *attempt) open(ctx context.Context) bool {
	if err := a.applyRules(ctx, a.desired.Rules); err != nil {
		return a.rulesFailed(ctx, err)
	}
	drift, err := a.verify(ctx)
	if err != nil {
		return a.rulesFailed(ctx, err)
	}
	if len(drift) > 0 {
		a.RulesDrifted(drift)
		a.applied = rules.Ruleset{}
		if err := a.applyRules(ctx, a.desired.Rules); err != nil {
			return a.rulesFailed(ctx, err)
		}
	}
	if !a.opened {
		a.Log.Info("the household is open")
	}
	a.opened = true
	return a.why == ""
}

// rulesFailed closes what can still be closed.
func (a *attempt) rulesFailed(ctx context.Context, err error) bool {
	a.why = "the rules could not be loaded"
	a.find(health.RulesFailed, "", "%v", err)
	a.Log.Error("loading the rules failed, the household is closed", "error", err)
	a.opened, a.applied = false, rules.Ruleset{}
	return false
}

// stayClosed keeps the closed rules in force while a step has not worked yet.
func (a *attempt) stayClosed(ctx context.Context) {
	closed := a.in
	closed.Mode = rules.Lockdown
	if closed.Wishes == nil { // nobody has looked yet
		closed.Foresee(ctx, a.Features)
	}
	in := desire.State(closed).Rules
	err := a.applyRules(ctx, in)
	if err == nil {
		var drift []string
		if drift, err = a.verify(ctx); err == nil && len(drift) > 0 {
			a.RulesDrifted(drift)
			a.applied = rules.Ruleset{}
			err = a.applyRules(ctx, in)
		}
	}
	if err != nil {
		a.applied = rules.Ruleset{}
		a.find(health.RulesFailed, "", "closing the household: %v", err)
		a.Log.Error("closing the household failed", "error", err)
	}
}

// applyRules loads a ruleset unless it is loaded, and cuts the flows of
// devices for whom it is stricter than the last open one.
func (g *Gateway) applyRules(ctx context.Context, in rules.Input) error {
	next, err := rules.Compile(in)
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
	g.view.rules = next
	g.mu.Unlock()
	return nil
}
