package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/tor"
)

// fastStatus is the state of the fast tor, nil if there is none.
func (g *Gateway) fastStatus(v snapshot) *api.Tor {
	if len(v.desired.Fast.Onions) == 0 {
		return nil
	}
	t := torStatus(g.Fast.Status())
	return &t
}

// Status says how things are, now. It has serve dial the targets of onions,
// so it may take some seconds.
func (g *Gateway) Status(ctx context.Context) api.Status {
	served, err := g.Server.Status(ctx)
	s := g.report(ctx, served, false)
	if err != nil && !hasCode(s.Findings, health.ServeDown) {
		s.Findings = append(s.Findings, health.New(health.ServeDown, "", err.Error()))
	}
	slices.SortStableFunc(s.Findings, func(a, b health.Finding) int { return a.Severity.Rank() - b.Severity.Rank() })
	g.mu.Lock()
	defer g.mu.Unlock()
	health.Date(s.Findings, g.told, time.Now())
	g.told = s.Findings
	return s
}

// report is Status as far as the parent knows it by itself; of a brief one findings alone
// are read.
func (g *Gateway) report(ctx context.Context, served link.Status, brief bool) api.Status {
	v := g.snapshot()
	t := g.Tor.Status()
	s := api.Status{
		Version:   g.Version,
		State:     v.state,
		Why:       v.why,
		Since:     g.started,
		Findings:  slices.Clone(v.findings),
		Tor:       torStatus(t),
		Wall:      g.lookAtWall(),
		Household: interfaces(v, served),
		FastTor:   g.fastStatus(v),
		Leaks:     []string{},
	}
	scene := v.in.Scene
	scene.TorNow, scene.Written, scene.Served, scene.Brief = t, v.config, served, brief
	scene.Config = cmp.Or(scene.Config, v.config) // before the first pass
	for _, f := range g.Features {
		if r, ok := f.(feature.Reporter); ok {
			r.Report(ctx, scene, &s)
		}
	}
	s.Findings = slices.Concat(s.Findings, g.driftFindings(time.Now()), g.fullDisks())
	s.Ready, s.Why = ready(s)
	return s
}

// fullDisks looks whenever somebody asks: nothing tells of a disk that fills up.
func (g *Gateway) fullDisks() (list []health.Finding) {
	for dir, words := range box.Full(g.Paths.State, g.Paths.Etc) {
		list = append(list, health.New(health.DiskNearlyFull, dir, fmt.Sprintf("the disk with %s is nearly full: %s", dir, words)))
	}
	return list
}

func torStatus(t tor.Status) api.Tor {
	return api.Tor{Version: t.Version, Running: t.Running, Bootstrap: t.Bootstrap, Summary: t.Summary,
		Warning: t.Warning, ClockSkew: int(t.ClockSkew.Seconds()), Restarts: t.Restarts}
}

// lookAtWall says whether the second wall stands.
func (g *Gateway) lookAtWall() api.Wall {
	wrong, err := g.System.Wall()
	if err != nil {
		wrong = []string{err.Error()}
	}
	return api.Wall{Stands: len(wrong) == 0, Wrong: append([]string{}, wrong...)}
}

func hasCode(list []health.Finding, c health.Code) bool {
	return slices.ContainsFunc(list, func(f health.Finding) bool { return f.Code == c })
}

// ready reports whether the household is as it should be and nothing is on its
// way any more, and if not, why. What is wrong with one onion, server or user is
// a finding, and does not make the others wait.
func ready(s api.Status) (bool, string) {
	if s.State != api.Open || s.Why != "" {
		return false, cmp.Or(s.Why, "starting")
	}
	for _, f := range s.Findings {
		broken := f.Severity == health.Error && f.Code.Household()
		if broken || f.Code == health.InterfaceMissing || f.Code == health.OnionNotPublished || f.Code == health.ServerStarting {
			return false, f.Text
		}
	}
	return true, ""
}

// interfaces is the state of the household as far as no feature says it.
func interfaces(v snapshot, served link.Status) api.Household {
	h := api.Household{DefaultPolicy: string(v.config.Household.DefaultPolicy), Interfaces: []api.Interface{}, Devices: []api.Device{}}
	for _, i := range v.in.Facts.Interfaces {
		s := api.Interface{Name: i.Name, Present: i.Index != 0 && !i.Missing, Addresses: []string{}}
		for _, a := range i.Addresses {
			s.Addresses = append(s.Addresses, a.String())
		}
		h.Interfaces = append(h.Interfaces, s)
	}
	h.Served = servedStatus(served)
	return h
}

// servedStatus is what serve has counted.
func servedStatus(s link.Status) api.Served {
	served := api.Served{
		Questions: s.DNS.Queries, Unanswered: s.DNS.Failed, Cached: s.DNS.Cached, DNSRefused: s.DNS.Refused, Blocked: s.DNS.Blocked,
		Connections: s.SOCKS.Conns, Active: s.SOCKS.Active, Unconnected: s.SOCKS.Failed, SOCKSRefused: s.SOCKS.Refused,
		Up: s.SOCKS.Up, Down: s.SOCKS.Down,
		Time: api.Times(s.Time), OwnTime: api.Times(s.OwnTime),
		Services: []api.Service{}, Faults: s.AllPanics(),
	}
	for _, one := range s.Services {
		served.Services = append(served.Services, api.Service{Name: one.Name, Accepted: one.Accepted, Active: one.Active,
			Refused: one.Refused})
	}
	return served
}

// notify tells the service manager how things are when that has changed, and
// the log when all that was asked for works for the first time.
func (g *Gateway) notify(ctx context.Context) {
	s := g.report(ctx, link.Status{}, true)
	say := "STATUS=" + cmp.Or(s.Why, "open")
	g.mu.Lock()
	first, news := s.Ready && !g.current.worked, say != g.current.said
	g.current.worked, g.current.said = g.current.worked || s.Ready, say
	g.mu.Unlock()
	if first {
		g.Log.Info("the household is as it should be")
	}
	if news {
		g.Notify(say)
	}
}
