package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/ntp"
	"tunic/gateway/relaytime"
	"tunic/gateway/tor"
	"tunic/rules"
)

// lookAround reads what is around. That it cannot look closes nothing: the rules
// then know of no more than the configuration.
func (g *Gateway) lookAround(ctx context.Context, c *config.Config) feature.Surroundings {
	around, err := g.Kernel.Surroundings(ctx, c.Household.Interfaces)
	if err != nil {
		g.Log.Debug("looking around failed", "error", err)
	}
	return around
}

// certain is the time, or the zero time while it is not known well enough to
// sign anything: something keeps the clock, or relays told it, or tor builds
// circuits, which takes a consensus that is not over by this clock.
func certain(f feature.Facts, t tor.Status) time.Time {
	if f.ClockSynchronised || f.RelayTime != nil || t.Circuits {
		return time.Now()
	}
	return time.Time{}
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

// own adds what is this daemon's whatever it is computed for.
func (g *Gateway) own(in desire.Inputs) desire.Inputs {
	in.Paths, in.Ranges = g.Paths, g.ranges
	in.ChildIDs = g.Users
	return in
}

// pass is one pass over the steps.
type pass struct {
	*Gateway
	in       desire.Inputs
	desired  feature.Desired
	findings []health.Finding
	why      string // why the household is not open
	early    bool   // names wait for their rules
}

// find notes a finding about a subject: an onion, a device, a server, a friend, an
// interface; "" is the box.
func (p *pass) find(code health.Code, subject, format string, args ...any) {
	p.findings = append(p.findings, health.New(code, subject, fmt.Sprintf(format, args...)))
}

// pass makes the box what the configuration says, as far as it goes, and
// reports whether all of it is done.
func (g *Gateway) pass(ctx context.Context) bool {
	v := g.snapshot()
	p := &pass{Gateway: g, in: g.own(desire.Inputs{Scene: feature.Scene{Config: g.amended(v.config), Written: v.config,
		Lockdown: g.held, Addresses: v.in.Addresses, Mode: rules.Open}})}
	done := p.steps(ctx)
	g.passed = time.Now()
	if !done && !g.opened {
		p.stayClosed(ctx)
	}
	state := api.Closed
	if g.opened {
		state = api.Open
	}
	slices.SortStableFunc(p.findings, func(x, y health.Finding) int { return x.Severity.Rank() - y.Severity.Rank() })
	health.Date(p.findings, v.findings, time.Now())
	g.mu.Lock()
	g.current.in, g.current.desired = p.in, p.desired
	g.current.state, g.current.why, g.current.findings = state, p.why, p.findings
	g.mu.Unlock()
	for _, f := range g.Features {
		if f, ok := f.(feature.Settler); ok {
			f.Settle()
		}
	}
	if g.Heir == nil { // until then the service manager hears another daemon
		g.notify(ctx)
	}
	return done
}

// learn asks the kernel what the household looks like now.
func (p *pass) learn(ctx context.Context) bool {
	sight := p.sight
	p.sight = nil
	facts, err := p.Kernel.Facts(ctx, p.in.Config.Household.Interfaces)
	if err != nil {
		p.why = "the network interfaces could not be read"
		p.find(health.RulesFailed, "", "reading the network interfaces: %v", err)
		return false
	}
	p.in.Group, p.in.Buckets = p.group(ctx, p.in.Config), p.Kernel.Buckets(ctx)
	facts.RelayTime = relaytime.Newest(p.Paths.Clock(), ntp.SinceBoot())
	if sight != nil {
		p.in.Surroundings = *sight
	} else {
		p.in.Surroundings = p.lookAround(ctx, p.in.Config)
	}
	p.in.Facts = remember(p.snapshot().in.Facts, facts)
	for _, i := range p.in.Facts.Interfaces {
		if i.Missing {
			p.in.Surroundings.Renamed = append(p.in.Surroundings.Renamed, i.Name)
		}
	}
	for _, i := range facts.Interfaces {
		switch {
		case i.Index == 0 && len(p.in.Surroundings.Links) == 0: // else it is told what there is instead
			p.find(health.InterfaceMissing, i.Name, "the household interface %s does not exist yet", i.Name)
		case i.Index != 0 && len(i.Addresses) == 0:
			p.find(health.NoAddress, i.Name, "the household interface %s has no address", i.Name)
		}
	}
	return true
}

// needForwarding finds that devices are to go direct and that the box lets nobody
// through (net.ipv4.ip_forward).
func (p *pass) needForwarding() {
	in := p.desired.Rules
	out := func(p rules.Policy) bool { return p == rules.Direct || p == rules.Onion }
	direct := len(in.Bypasses) > 0 || len(in.Guests) > 0 || out(in.Default) ||
		slices.ContainsFunc(in.Devices, func(d rules.Device) bool { return out(d.Policy) })
	if direct && !p.in.Facts.Forwarding {
		p.find(health.ForwardingOff, "", "a device may go direct, but this box does not forward packets")
	}
}

// remember keeps what was known of a household interface that is away: when it
// got another name its devices are still there, the last net of the rules must
// go on to know their addresses, and listeners bound to it go on working (L29).
func remember(before, now feature.Facts) feature.Facts {
	now.Interfaces = slices.Clone(now.Interfaces)
	for i, n := range now.Interfaces {
		for _, b := range before.Interfaces {
			if n.Index == 0 && b.Index != 0 && b.Name == n.Name {
				now.Interfaces[i] = b
				now.Interfaces[i].Missing = true
			}
		}
	}
	return now
}

// prepare makes directories and ranges.
func (p *pass) prepare(ctx context.Context) bool {
	err := box.Prepare(p.Paths, p.Users.Tor, p.Users.Serve)
	if err == nil {
		err = p.loadRanges(ctx)
	}
	if err != nil {
		p.why = err.Error()
		what := "the household stays closed, and tor is not started"
		if p.opened {
			what = "what is in force stays so, and nothing else is done"
		}
		p.findings = append(p.findings, box.Finding(err, what))
		return false
	}
	p.in.Ranges = p.ranges
	return true
}

func (p *pass) loadRanges(ctx context.Context) error {
	local, err := p.Kernel.LocalPrefixes(ctx)
	if err != nil {
		return box.Cannot(health.NetworksUnreadable, "", "reading the local prefixes: %w", err)
	}
	if !p.ranges.Virtual4.IsValid() {
		if p.ranges, err = box.LoadRanges(p.Paths.StateFile(), local); err != nil {
			return err
		}
	}
	p.in.Local = local
	if net, bad := p.ranges.Overlap(local); bad {
		p.find(health.VirtualOverlap, net.String(), "the local network %s overlaps the virtual addresses for onions in %s", net,
			p.Paths.StateFile())
	}
	return nil
}
