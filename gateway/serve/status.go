package serve

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"tunic/gateway/link"
)

// status is answered from a goroutine of its own: targets are dialled for it.
func (s *Server) status(ctx context.Context) link.Status {
	s.mu.Lock()
	fronts := slices.Clone(s.wished)
	counted := make([]link.FrontStatus, len(fronts))
	st := s.counts()
	for i, f := range fronts {
		counted[i] = link.FrontStatus{Onion: f.Onion}
		if running := s.fronts[f.Onion]; running != nil {
			n := running.Counts()
			counted[i].Streams, counted[i].Active, counted[i].Refused = n.Streams, n.Active, n.Refused
			st.Panics += n.Panics
		}
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for i, f := range fronts {
		all.Go(func() { counted[i].Ports = s.look(ctx, f, false) })
	}
	all.Wait()
	slices.SortFunc(counted, func(a, b link.FrontStatus) int { return cmp.Compare(a.Onion, b.Onion) })
	st.Fronts = counted
	st.Peers = s.dialer.Status()
	st.Block = s.blockStatus()
	st.Knocks = s.services.knockers()
	if u, ok := s.resolver.Upstream(); ok {
		st.Upstream = link.UpstreamStatus(u)
	}
	return st
}

// counts is what those count who serve the household, and what visitors met.
func (s *Server) counts() link.Status {
	return link.Status{
		Panics:   s.visitors.Stats().Panics,
		DNS:      link.DNSCounts(s.resolver.Stats()),
		SOCKS:    link.SOCKSCounts(s.socks.Stats()),
		Time:     link.TimeCounts(s.clock.devices.Stats()),
		OwnTime:  link.TimeCounts(s.clock.own.Stats()),
		Services: slices.SortedFunc(slices.Values(append(s.household.counts(), s.waiting.counts()...)), byName),
	}
}

func byName(a, b link.Service) int { return cmp.Compare(a.Name, b.Name) }
