package page

import (
	"context"
	"sync"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/tor"
)

// Tor says how far it is, and what went through it.
type Tor interface {
	Status() tor.Status
	// Traffic is in bytes since it was started; false: nobody knows.
	Traffic() (read, written uint64, ok bool)
}

// live is what changes by the second. It asks nothing of serve.
func (f *Feature) live(context.Context) (api.Live, error) {
	s := f.Tor.Status()
	return api.Live{Tor: api.Tor{Version: s.Version, Running: s.Running, Bootstrap: s.Bootstrap, Summary: s.Summary, Warning: s.Warning},
		Rates: f.pulse.rates(time.Now(), f.Tor.Traffic)}, nil
}

const (
	pulseStep = time.Second      // no two samples are nearer
	pulseGap  = 15 * time.Second // between samples further apart nobody knows what was
	pulseLong = 10 * time.Minute // older ones are forgotten
)

// pulse remembers what tor has counted, for as long as somebody looks: with nobody at the
// page there is nobody to measure for. A page that is loaded again has what went before.
type pulse struct {
	mu   sync.Mutex
	list []sample // the oldest first
}

type sample struct {
	at            time.Time
	read, written uint64
}

// rates takes a sample, and says how fast it went between those that there are.
func (p *pulse) rates(now time.Time, count func() (read, written uint64, ok bool)) []api.Rate {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.list) > 0 && now.Sub(p.list[0].at) > pulseLong {
		p.list = p.list[1:]
	}
	if n := len(p.list); n == 0 || now.Sub(p.list[n-1].at) >= pulseStep {
		if read, written, ok := count(); ok {
			p.list = append(p.list, sample{now, read, written})
		}
	}
	list := []api.Rate{}
	for i := 1; i < len(p.list); i++ {
		if r, ok := p.list[i].since(p.list[i-1]); ok {
			list = append(list, r)
		}
	}
	return list
}

// since is how fast it went from one sample to the next; false: they are too far apart, or
// tor was started between them.
func (s sample) since(before sample) (api.Rate, bool) {
	d := s.at.Sub(before.at)
	if d > pulseGap || s.read < before.read || s.written < before.written {
		return api.Rate{}, false
	}
	return api.Rate{At: s.at, Down: float64(s.read-before.read) / d.Seconds(), Up: float64(s.written-before.written) / d.Seconds()}, true
}

// glanceFor is how old the status may be on a page that shows it again and again.
const glanceFor = 5 * time.Second

// glance is the status for pages that are open: it has serve dial the targets of onions, and
// so however many look, that is once in a while.
type glance struct {
	mu     sync.Mutex
	made   time.Time
	status api.Status
}

func (g *glance) get(ctx context.Context, status func(context.Context) api.Status) api.Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.made.IsZero() && time.Since(g.made) < glanceFor {
		return g.status
	}
	s := status(ctx)
	if ctx.Err() == nil { // else parts of it may be missing
		g.made, g.status = time.Now(), s
	}
	return s
}

func (f *Feature) liveStatus(ctx context.Context) (api.Status, error) {
	return f.glance.get(ctx, f.Daemon.Status), nil
}
