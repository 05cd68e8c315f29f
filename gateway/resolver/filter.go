package resolver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"

	"tunic/gateway/device"
)

const (
	proofHolds   = 5 * time.Minute         // then the next question has it made again
	proofAgain   = time.Second             // after one that failed
	proofPause   = 200 * time.Millisecond  // between two that questions want
	proofGrace   = 2 * time.Second         // of failing, before it is told: the way to a new filter is opened after it is known
	proofTimeout = 3 * time.Second         // a filter is near, and the box answers it at once
	filterSlow   = 1500 * time.Millisecond // a question that has waited so long wants a proof

	maxSources = 16 // addresses that questions of the filter's come from, the last ones
)

var (
	errFilterSilent    = errors.New("the filter does not answer")
	errFilterElsewhere = errors.New("the filter asks another server than this box")
)

// UpstreamState is how the server of Config.Upstream is; zero: well, or not tried yet.
type UpstreamState struct {
	Silent    bool // it has not answered
	Elsewhere bool // it has answered a name that this box alone knows, without asking it
}

// filter is the server of Config.Upstream: a filter of the household's, which asks
// this box in its turn. That it does so is proven before a name of the household is
// sent to it, and again from time to time: it is asked for a name made up for this
// one question, and has to ask the box for it. Whatever address that comes from, the
// filter's or that of another server behind it, is answered by Tor from then on: a
// question never goes round in a circle.
type filter struct {
	server  netip.AddrPort
	devices *device.Table
	ask     func(ctx context.Context, m *dns.Msg) (*dns.Msg, error)

	proofs singleflight.Group

	mu      sync.Mutex
	probe   string       // the name that is under way; "": none
	came    bool         // somebody has asked for it
	sources []netip.Addr // that have asked for one
	ended   time.Time    // of the last proof; zero: there was none
	err     error        // of the last proof
	failing time.Time    // when the first one in a row began that failed; zero: the last one did not
	stopped bool
}

func newFilter(r *Resolver, server netip.AddrPort) *filter {
	f := &filter{server: server, devices: r.Devices}
	f.ask = func(ctx context.Context, m *dns.Msg) (*dns.Msg, error) { return r.forward(ctx, server, m) }
	return f
}

// stop ends the proofs that come by themselves.
func (f *filter) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
}

func (f *filter) state() UpstreamState {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.failing) < proofGrace {
		return UpstreamState{}
	}
	return UpstreamState{Silent: errors.Is(f.err, errFilterSilent), Elsewhere: errors.Is(f.err, errFilterElsewhere)}
}

// isSource reports whether a client's questions are for Tor: it is the filter,
// another server that the filter asks, or the box itself, on which a filter may run,
// and which no filter shall keep from its updates.
func (f *filter) isSource(s *state, client netip.Addr) bool {
	if !client.IsValid() || client == f.server.Addr() || s.isBox(client) {
		return true
	}
	mac := f.devices.Of(client).MAC()
	if mac == "" && client.IsLoopback() {
		return true
	}
	f.mu.Lock()
	sources := append([]netip.Addr{f.server.Addr()}, f.sources...)
	f.mu.Unlock()
	return slices.ContainsFunc(sources, func(a netip.Addr) bool { return a == client || mac != "" && f.devices.Of(a).MAC() == mac })
}

// arrived reports whether a question is the proof that is under way.
func (f *filter) arrived(name string, client netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.probe == "" || !strings.EqualFold(f.probe, name) {
		return false
	}
	f.came = true
	f.sources = append(slices.DeleteFunc(f.sources, func(a netip.Addr) bool { return a == client }), client)
	f.sources = f.sources[max(0, len(f.sources)-maxSources):]
	return true
}

// ready returns nil if the last proof holds. Without one it waits for the next.
func (f *filter) ready(ctx context.Context) error {
	f.mu.Lock()
	err, age, first := f.err, time.Since(f.ended), f.ended.IsZero()
	f.mu.Unlock()
	switch {
	case first, err != nil && age > proofPause:
	case err != nil:
		return err
	default:
		if age > proofHolds {
			f.prove()
		}
		return nil
	}
	select {
	case result := <-f.prove():
		return result.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// prove makes a proof, or waits for the one under way. After one that failed it
// makes another, later, by itself.
func (f *filter) prove() <-chan singleflight.Result {
	return f.proofs.DoChan("", func() (any, error) {
		begin := time.Now()
		err := f.once()
		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case err == nil:
			f.failing = time.Time{}
		case f.err == nil:
			f.failing = begin
		}
		f.err, f.ended = err, time.Now()
		if err != nil && !f.stopped {
			time.AfterFunc(proofAgain, f.retry)
		}
		return nil, err
	})
}

func (f *filter) retry() {
	f.mu.Lock()
	over := f.stopped || f.err == nil || time.Since(f.ended) < proofAgain
	f.mu.Unlock()
	if !over {
		f.prove()
	}
}

// doubt has the proof made again for a question that waits.
func (f *filter) doubt() {
	f.mu.Lock()
	recent := time.Since(f.ended) < proofPause
	f.mu.Unlock()
	if !recent {
		f.prove()
	}
}

// once asks for a name below "example.", which nobody has (RFC 6761, section 6.5).
// A filter that asks elsewhere tells it to somebody, and nothing of the household.
func (f *filter) once() error {
	q := dns.Question{Name: "tunic-" + strings.ToLower(rand.Text()) + ".example.", Qtype: dns.TypeA, Qclass: dns.ClassINET}
	f.mu.Lock()
	f.probe, f.came = q.Name, false
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), proofTimeout)
	defer cancel()
	_, err := f.ask(ctx, &dns.Msg{Question: []dns.Question{q}})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.probe = ""
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errFilterSilent, err)
	case !f.came:
		return errFilterElsewhere
	}
	return nil
}

// filtered asks the filter on behalf of a device. Nothing is kept: the filter is
// near, keeps answers itself, and what it says changes with its settings. The same
// question is not under way twice, whoever asks: one that goes round in a circle
// before that is known waits for itself, until its time is over.
func (r *Resolver) filtered(ctx context.Context, s *state, req *dns.Msg) (answer, error) {
	if err := s.filter.ready(ctx); err != nil {
		return answer{}, err
	}
	flight := fmt.Sprintf("filter %p %+v", s, fullKey(req))
	v, err, _ := r.flights.Do(flight, func() (any, error) { return r.askFilter(ctx, s, req) })
	if err != nil {
		return answer{}, err
	}
	return v.(answer), nil
}

// askFilter goes on when the device that asked first is gone: others may wait.
func (r *Resolver) askFilter(ctx context.Context, s *state, req *dns.Msg) (answer, error) {
	slow := time.AfterFunc(filterSlow, s.filter.doubt)
	defer slow.Stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
	defer cancel()
	q := req.Copy()
	q.Question[0].Name = dns.CanonicalName(q.Question[0].Name)
	reply, err := r.forward(ctx, s.filter.server, q)
	if err != nil {
		return answer{}, fmt.Errorf("asking the filter: %w", err)
	}
	a, err := s.fullAnswer(reply, req.Question[0])
	a.secure = false // nobody has checked, on this way
	return a, err
}

// Upstream says how the server of Config.Upstream is; ok is false without one.
func (r *Resolver) Upstream() (_ UpstreamState, ok bool) {
	s := r.state.Load()
	if s.filter == nil {
		return UpstreamState{}, false
	}
	return s.filter.state(), true
}
