package serve

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"tunic/gateway/link"
)

// probeEvery bounds how often a target is dialled only to see whether it is there.
const probeEvery = 10 * time.Second

// probeTimeout is plenty for a host on the LAN.
const probeTimeout = 2 * time.Second

// probes remembers whether targets answer, by target.
type probes struct {
	mu   sync.Mutex
	seen map[string]probe
}

type probe struct {
	at  time.Time
	err error
}

// check dials a target unless that was done a moment ago.
func (p *probes) check(ctx context.Context, network, addr string) error {
	p.mu.Lock()
	last, ok := p.seen[addr]
	p.mu.Unlock()
	if ok && time.Since(last.at) < probeEvery {
		return last.err
	}
	d := net.Dialer{Timeout: probeTimeout}
	c, err := d.DialContext(ctx, network, addr)
	if err == nil {
		c.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = make(map[string]probe)
	}
	p.seen[addr] = probe{time.Now(), err}
	return err
}

// status is answered from a goroutine of its own: targets are dialled for it.
func (s *Server) status(ctx context.Context) link.Status {
	s.mu.Lock()
	fronts := slices.Clone(s.wished)
	counted := make([]link.FrontStatus, len(fronts))
	st := link.Status{Panics: s.household.Stats().Panics}
	for i, f := range fronts {
		counted[i] = link.FrontStatus{Onion: f.Onion, Ports: make([]link.PortStatus, len(f.Ports))}
		if running := s.fronts[f.Onion]; running != nil {
			n := running.Counts()
			counted[i].Streams, counted[i].Active, counted[i].Refused = n.Streams, n.Active, n.Refused
			st.Panics += n.Panics
		}
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for i, f := range fronts {
		for j, p := range f.Ports {
			all.Go(func() { counted[i].Ports[j] = s.probe(ctx, p) })
		}
	}
	all.Wait()
	slices.SortFunc(counted, func(a, b link.FrontStatus) int { return cmp.Compare(a.Onion, b.Onion) })
	st.Fronts = counted
	s.addCounts(&st)
	return st
}

// probe says whether a port's target takes connections.
func (s *Server) probe(ctx context.Context, p link.Port) link.PortStatus {
	var err error
	switch {
	case p.Endpoint != "": // runs in this process
	case p.Unix != "":
		err = s.probes.check(ctx, "unix", p.Unix)
	default:
		err = s.probes.check(ctx, "tcp", p.Addr.String())
	}
	st := link.PortStatus{Virtual: p.Virtual, Reachable: err == nil}
	if err != nil {
		st.Error = err.Error()
	}
	return st
}
