package onions

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/tor"
)

// saw takes over what serve saw of targets while it was asked for a status.
func (r *onionProbes) saw(served link.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range served.Fronts {
		if o := r.of[f.Onion]; o != nil {
			for _, st := range f.Ports {
				o.sawTarget(st)
			}
		}
	}
}

// describe adds to an onion's status what is known of how it can be reached.
func (r *onionProbes) describe(s *api.Onion, d tor.Descriptor) {
	s.Key, s.Directories, s.Refused, s.RefusedWhy = s.Address != "", d.Directories, d.Failed, d.LastError
	s.Visitors = api.Unknown
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.of[s.Name]
	if o == nil {
		return
	}
	s.Failures, s.Repairs, s.RepairedAt = o.failures, o.repairs, known(o.repaired)
	for i := range s.Ports {
		o.describe(&s.Ports[i])
	}
	switch {
	case o.failures > 0:
		s.Visitors = api.No
	case o.sure:
		s.Visitors = api.Yes
	}
}

func (o *onionProbe) describe(s *api.Port) {
	p := o.ports[s.Port]
	if p == nil {
		return
	}
	s.Saw, s.Refuses = plain(p.target.Saw), p.target.Refuses
	s.CheckedAt, s.LastUp = known(p.target.At), known(p.lastUp)
	if c := p.call; !c.At.IsZero() {
		s.Call = &api.Call{At: c.At, OK: c.Error == "", Seconds: c.Took.Seconds(), Error: plain(c.Error), Elsewhere: c.Elsewhere,
			LastOK: known(p.lastOK)}
	}
}

// known is nil for a time that never was.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// plain makes a text that serve sent, which speaks with strangers, fit for a
// terminal and a log.
func plain(s string) string {
	runes := []rune(s)
	for i, r := range runes {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			runes[i] = ' '
		}
	}
	return string(runes[:min(len(runes), 200)])
}

// reachFindings say which onions visitors do not get to, as far as the box
// could find out by itself.
func reachFindings(onions []api.Onion) []health.Finding {
	var list []health.Finding
	for _, o := range onions {
		if !o.Published {
			continue
		}
		if o.RefusedWhy != "" {
			list = append(list, health.New(health.UploadRefused, o.Name,
				fmt.Sprintf("the onion %s: a directory has not taken its descriptor: %s; %d others have it",
					o.Name, o.RefusedWhy, o.Directories)))
		}
		if f, ok := callFinding(o); ok {
			list = append(list, f)
		}
		for _, p := range o.Ports {
			if p.Reachable && p.Refuses {
				list = append(list, health.New(health.NameRefused, o.Name,
					fmt.Sprintf("the onion %s, port %d: the application at %s answers %s when it is asked for %s",
						o.Name, p.Port, p.Target, p.Saw, o.Address)))
			}
		}
	}
	return list
}

// callFinding is about the first port of an onion that a call did not reach.
func callFinding(o api.Onion) (health.Finding, bool) {
	i := slices.IndexFunc(o.Ports, func(p api.Port) bool { return p.Call != nil && !p.Call.OK })
	if i < 0 {
		return health.Finding{}, false
	}
	c := o.Ports[i].Call
	if c.Elsewhere {
		return health.New(health.OnionElsewhere, o.Name,
			fmt.Sprintf("the onion %s: another box answers at its address: two boxes have its keys", o.Name)), true
	}
	text := fmt.Sprintf("the onion %s, port %d: this box does not reach it through Tor: %s", o.Name, o.Ports[i].Port, c.Error)
	if o.Failures > 1 {
		text += fmt.Sprintf(" (%d times in a row)", o.Failures)
	}
	if o.Repairs > 0 {
		text += fmt.Sprintf("; it was published again (%d)", o.Repairs)
	}
	return health.New(health.OnionUnreachable, o.Name, text), true
}

// Check calls an onion through Tor now, looks at its targets, and returns what
// it found.
func (f *Feature) Check(ctx context.Context, r api.CheckRequest) (api.Onion, error) {
	onions := f.watched()
	if o, served := onions[r.Name]; served {
		f.probes.keep(onions, f.Now())
		if t := f.Tor.Status(); !t.Running || t.Bootstrap < 100 {
			return api.Onion{}, fmt.Errorf("checking the onion %s: Tor is not connected", r.Name)
		}
		if err := f.reachOnion(ctx, r.Name, !o.locked); err != nil {
			return api.Onion{}, fmt.Errorf("checking the onion %s: %w", r.Name, err)
		}
	}
	return f.onion(ctx, r.Name)
}
