package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/probe"
)

// seenFor is how long what was seen of a target is good enough for a status: one that
// ends or comes back shows within ten seconds, and however often somebody asks for
// the status, a target is asked no more often than this.
const seenFor = 8 * time.Second

// dialTimeout is plenty for a host on the LAN.
const dialTimeout = 2 * time.Second

// probes remembers what was seen of targets.
type probes struct {
	mu   sync.Mutex
	seen map[string]link.PortStatus
}

func (p *probes) last(key string) (link.PortStatus, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st, ok := p.seen[key]
	return st, ok && time.Since(st.At) < seenFor
}

func (p *probes) keep(key string, st link.PortStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = make(map[string]link.PortStatus)
	}
	p.seen[key] = st
}

// look says of each port of an onion whether its target is up: now, or unless
// that was seen a moment ago.
func (s *Server) look(ctx context.Context, f link.Front, now bool) []link.PortStatus {
	list := make([]link.PortStatus, len(f.Ports))
	var all sync.WaitGroup
	for i, p := range f.Ports {
		all.Go(func() {
			key := fmt.Sprint(f.Host, p)
			st, known := s.probes.last(key)
			if now || !known {
				st = s.lookAt(ctx, p, f)
				if ctx.Err() == nil {
					s.probes.keep(key, st)
				}
			}
			list[i] = st
		})
	}
	all.Wait()
	return list
}

// lookAt asks the target of a port what it speaks.
func (s *Server) lookAt(ctx context.Context, p link.Port, f link.Front) link.PortStatus {
	st := link.PortStatus{Virtual: p.Virtual, At: time.Now()}
	if p.Endpoint != "" { // runs in this process
		if st.Reachable = s.endpointAt(f.Phone, p.Endpoint) != nil; !st.Reachable {
			st.Error = "it does not run"
		}
		return st
	}
	got, err := s.converse(ctx, p, f.Host)
	if p.Guessed && errors.Is(err, probe.ErrOther) {
		err = nil // nobody said that it speaks what its port suggests
	}
	st.Reachable, st.Saw, st.Refuses = err == nil, got.Saw, got.RefusesName && !p.Guessed
	if err != nil {
		st.Error = probe.Reason(err)
	}
	return st
}

// converse asks as if for a circuit that does not exist, and otherwise as for
// any visitor.
func (s *Server) converse(ctx context.Context, p link.Port, host string) (probe.Result, error) {
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := s.relay(p).Connect(dialCtx, onion.Stream{Port: p.Virtual})
	if err != nil {
		return probe.Result{}, err
	}
	defer c.Close()
	switch {
	case p.HTTPHost != "":
		host = p.HTTPHost
	case p.Virtual != 80 && p.Virtual != 443:
		host = fmt.Sprintf("%s:%d", host, p.Virtual) // as browsers do (RFC 9110, section 7.2)
	}
	return probe.Check(ctx, c, cmp.Or(p.Probe, "tcp"), host)
}
