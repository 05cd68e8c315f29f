package gateway

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/ntp"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Onions with anonymous = false live in a tor of their own, which exists only
// while there are some. The household does not use it: whatever happens to it
// is a finding, and closes nothing. An onion that changes its mode leaves the
// one tor before it enters the other: with one key in two places, visitors
// would come to either.

// dropFast takes out of the fast tor what it is to have no longer.
func (p *pass) dropFast(ctx context.Context) {
	if len(p.desired.Fast.Onions) == 0 {
		p.Fast.Stop()
		return
	}
	p.giveFast(ctx, p.fastWithout())
}

// applyFast gives the fast tor its configuration.
func (p *pass) applyFast(ctx context.Context) {
	if len(p.desired.Fast.Onions) == 0 {
		return
	}
	err := p.giveFast(ctx, p.fastWithout())
	st := p.Fast.Status()
	switch {
	case err != nil:
		p.find(health.FastTorDown, "", "the tor for onions that are not anonymous did not take the configuration: %v", err)
	case !st.Running && st.LastError != "":
		p.find(health.FastTorDown, "", "the tor for onions that are not anonymous is not running: %s", st.LastError)
	}
}

// fastWithout is the state of the fast tor without onions that tor still has.
func (p *pass) fastWithout() tor.Spec {
	spec := p.desired.Fast.Clone()
	spec.Onions = slices.DeleteFunc(spec.Onions, func(o tor.Onion) bool {
		return slices.ContainsFunc(p.torHas, func(t tor.Onion) bool { return t.Address == o.Address })
	})
	return spec
}

func (p *pass) giveFast(ctx context.Context, spec tor.Spec) error {
	if len(spec.Onions) == 0 {
		return nil
	}
	return p.Fast.Apply(ctx, spec)
}

// applyServers comes last: no server starts before Tor and the fronts. What is
// wrong with one closes nothing and stops no other.
func (p *pass) applyServers() bool {
	p.Servers.Apply(p.desired.Servers)
	for _, s := range p.Servers.Status() {
		if f, ok := s.Finding(); ok {
			p.findings = append(p.findings, f)
		}
	}
	return true
}

// steps are in the order of the package comment. Each says why it stopped.
func (p *pass) steps(ctx context.Context) bool {
	if !p.learn(ctx) || !p.prepare(ctx) {
		return false
	}
	p.upkeep.Follow(ctx, ntp.SinceBoot(), !p.in.Surroundings.NoWayOut())
	p.in.TorNow = p.Tor.Status()
	p.in.Certain = certain(p.in.Facts, p.in.TorNow)
	var report feature.Report
	p.in.Look(ctx, p.Features, &report)
	p.findings = append(p.findings, report.Findings...)
	if err := p.Backend(); err != nil {
		p.find(health.RulesMixed, "", "%v", err)
	}
	p.desired = p.kept.State(p.in)
	p.needForwarding()
	if p.held {
		return p.lockedDown(ctx)
	}
	if name := feature.UplinkAsHousehold(p.in.Config, p.in.Surroundings.Links); name != "" {
		p.why = name + " is this box's way to the internet, not the household's"
		p.opened = false
		return false
	}
	p.dropFast(ctx)
	connected := p.applyTor(ctx)
	if !connected {
		p.applyPage(ctx)
	}
	done := connected && p.applyServe(ctx) && p.open(ctx) && p.applyNames(ctx) && p.applyServers()
	p.applyFast(ctx)
	return done
}

// lockedDown closes the household first. Onions, friends and servers go on to
// follow what is asked for: somebody who is shut out of an onion is shut out.
func (p *pass) lockedDown(ctx context.Context) bool {
	p.opened = false
	p.stayClosed(ctx)
	p.dropFast(ctx)
	p.applyTor(ctx)
	p.applyServe(ctx)
	p.applyServers()
	p.applyFast(ctx)
	p.why = "lockdown was asked for"
	p.find(health.Lockdown, "", "the household is closed because lockdown was asked for")
	return false
}

// applyTor gives tor its configuration. Once the household is open, a tor that
// is down closes nothing: the rules lead to nobody until it is back.
func (p *pass) applyTor(ctx context.Context) bool {
	err := p.desired.NoTor
	if err == nil {
		err = p.Tor.Apply(ctx, p.desired.Tor)
	}
	if err == nil {
		p.torHas = p.desired.Tor.Onions
	}
	st := p.Tor.Status()
	away := p.upkeep.NotConnected(st)
	switch {
	case errors.Is(err, tor.ErrNoTor):
		p.why = tor.ErrNoTor.Error()
		p.find(torCode(err), "", "%v", err)
	case err != nil:
		p.why = "tor did not take the configuration"
		p.find(torCode(err), "", "%v", err)
	case !st.Running && st.LastError == "": // at the start, and when a reload needs another process
		p.why = "tor is being started"
		p.find(health.TorNotReady, "", "tor is being started")
	case !st.Running:
		p.why = "tor is not running"
		p.find(health.TorDown, "", "tor is not running: %s", st.LastError)
	case st.Bootstrap < 100:
		p.why = "Tor is connecting: " + st.Progress()
		if away == "" {
			p.find(health.TorNotReady, "", "%s", p.why)
		}
	}
	if old := st.Old(); old != "" {
		p.find(health.TorOld, "", "%s", old)
	}
	if away != "" && st.Running { // that tor itself does not run is told by its own name
		p.find(health.TorAway, "", "%s%s", away, p.in.Surroundings.SealedOff())
	}
	if st.ClockSkew != 0 {
		p.find(health.ClockSkew, "", "tor sees that this box's clock is wrong by %s", st.ClockSkew)
	}
	return p.opened || err == nil && st.Running && st.Bootstrap == 100
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

// applyPage has serve show the page before Tor is connected for the first time, and nothing
// else: whatever wants Tor would fail, and wait longer and longer until it tries again. Once
// serve has had all, it keeps it.
func (p *pass) applyPage(ctx context.Context) {
	if p.complete {
		return
	}
	d := link.Desired{Page: p.desired.Serve.Page, TLS: p.desired.Serve.TLS, DNS: link.DNS{Box: p.desired.Serve.DNS.Box}}
	if d.Page == nil {
		return
	}
	page := *d.Page
	page.Shares, page.Friends = nil, nil
	d.Page = &page
	var of []supervise.ListenerSpec
	for _, l := range p.desired.Listeners {
		if slices.Contains(page.Listeners, l.Name) || slices.Contains(page.TLS, l.Name) ||
			slices.ContainsFunc(page.DNS, func(pair link.DNSListener) bool { return l.Name == pair.UDP || l.Name == pair.TCP }) {
			of = append(of, l)
		}
	}
	if err := p.Listeners.Set(ctx, of); err != nil {
		p.find(health.ServeProblem, "", "%v", err)
	}
	if _, err := p.Server.Apply(ctx, d, p.Listeners.Files()); err != nil {
		p.Log.Debug("the page is not there yet", "error", err) // the next pass, when serve is, asks again
	}
}

// applyServe opens the listeners and hands them and the work to serve.
func (p *pass) applyServe(ctx context.Context) bool {
	if err := p.Listeners.Set(ctx, p.desired.Listeners); err != nil {
		p.find(health.ServeProblem, "", "%v", err)
	}
	first, early := p.withoutEarlyNames(p.desired.Serve)
	p.early = early
	return p.giveServe(ctx, first)
}

// giveServe hands serve its work. What is wrong with it is said when it has all.
func (p *pass) giveServe(ctx context.Context, d link.Desired) bool {
	failed, err := p.Server.Apply(ctx, d, p.Listeners.Files())
	if err != nil {
		p.why = "the part that serves devices and visitors is not running"
		p.find(health.ServeDown, "", "%v", err)
		return p.opened
	}
	p.complete = true
	if p.early {
		return true
	}
	for _, f := range failed {
		p.find(health.ServeProblem, "", "%s", f)
	}
	return true
}

// withoutEarlyNames is what serve is told before the rules are loaded, and whether that is
// not all: in an open house a name comes after the rules that lead its ports to serve, for
// whoever asks for it dials it at once.
func (p *pass) withoutEarlyNames(d link.Desired) (link.Desired, bool) {
	if !p.opened || slices.Equal(p.desired.Rules.Services, p.lastOpen.Services) {
		return d, false
	}
	waits := make(map[netip.Addr]bool)
	for _, s := range p.desired.Rules.Services {
		waits[s.To] = true
	}
	for _, s := range p.lastOpen.Services {
		waits[s.To] = false
	}
	early := func(n link.Name) bool {
		return slices.ContainsFunc(n.Addrs, func(a netip.Addr) bool { return waits[a] })
	}
	if !slices.ContainsFunc(d.DNS.Names, early) {
		return d, false
	}
	d.DNS.Names = slices.DeleteFunc(slices.Clone(d.DNS.Names), early)
	return d, true
}

// applyNames gives serve the names that had to wait for their rules.
func (p *pass) applyNames(ctx context.Context) bool {
	if !p.early {
		return true
	}
	p.early = false
	return p.giveServe(ctx, p.desired.Serve)
}

// open swaps the open rules in and looks whether they are there.
func (p *pass) open(ctx context.Context) bool {
	if err := p.applyRules(ctx, p.desired.Rules); err != nil {
		return p.rulesFailed(ctx, err)
	}
	drift, err := p.verify(ctx)
	if err != nil {
		return p.rulesFailed(ctx, err)
	}
	if len(drift) > 0 {
		p.RulesDrifted(drift)
		p.applied = rules.Ruleset{}
		if err := p.applyRules(ctx, p.desired.Rules); err != nil {
			return p.rulesFailed(ctx, err)
		}
	}
	if !p.opened {
		p.Log.Info("the household is open")
	}
	p.opened = true
	return p.why == ""
}
