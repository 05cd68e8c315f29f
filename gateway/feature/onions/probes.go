package onions

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/tor"
)

// How often the box looks at its own onions. All of it is jittered by a third,
// so that no two boxes and no two onions keep step.
const (
	lookEvery  = 5 * time.Minute // at targets that are up
	lookAgain  = time.Minute     // at one that is down
	callFirst  = 40 * time.Second
	callEvery  = 45 * time.Minute // through Tor
	callAgain  = 2 * time.Minute  // after a failure; doubles
	callSeldom = 30 * time.Minute // and at the most
)

// When an onion is published again because visitors do not get in.
const (
	repairAfter = 3                // calls in a row have failed, each tried twice
	repairPause = 15 * time.Minute // from one repair to the next; doubles
	repairRest  = 6 * time.Hour    // and at the most

	// uploadWait is how long tor may have nothing uploaded; it takes seconds,
	// and while Tor is slow a minute.
	uploadWait = 5 * time.Minute
	// uploadOld is when a descriptor is older than tor ever lets one get (it
	// uploads every one to two hours, and directories keep it for three).
	uploadOld = 3 * time.Hour
)

// onionProbes is what is known of how onions can be reached, by their names.
type onionProbes struct {
	mu  sync.Mutex
	of  map[string]*onionProbe
	cut bool // the network was not there when it was looked last
}

// probedOnion is an onion that somebody may visit.
type probedOnion struct {
	address string // its 56 letters
	locked  bool   // the box itself may not: it has no client's key
	fast    bool   // it is the second tor's, which is not asked to publish again
}

// onionProbe is what is known of one onion.
type onionProbe struct {
	probedOnion
	since time.Time
	ports map[uint16]*portProbe

	nextProbe, nextCall time.Time
	failures            int // calls in a row that did not arrive
	repairs             int // since the last call that did
	repaired            time.Time
	nextRepair          time.Time // not before
	sure                bool      // the last call arrived
}

// portProbe is what is known of one of its ports.
type portProbe struct {
	target link.PortStatus
	lastUp time.Time
	call   link.OwnCall // the zero At: none yet
	lastOK time.Time    // call that arrived
}

// jitter is d, give or take a third.
func jitter(d time.Duration) time.Duration {
	return d*2/3 + rand.N(d*2/3)
}

// keep forgets every onion but these, and knows nothing yet of a new one.
func (r *onionProbes) keep(onions map[string]probedOnion, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = make(map[string]*onionProbe)
	}
	for name, known := range r.of {
		if onions[name] != known.probedOnion {
			delete(r.of, name)
		}
	}
	for name, o := range onions {
		if r.of[name] == nil {
			r.of[name] = &onionProbe{probedOnion: o, since: now, ports: make(map[uint16]*portProbe),
				nextProbe: now, nextCall: now.Add(jitter(callFirst))}
		}
	}
}

// due is the next onion to look at, and whether to call it too. What no
// directory has is not called: nobody could find it.
func (r *onionProbes) due(onions map[string]tor.Descriptor, now time.Time) (name string, call, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, o := range r.of {
		switch {
		case !o.locked && !o.nextCall.After(now) && onions[o.address].Out:
			return n, true, true
		case !o.nextProbe.After(now):
			name, ok = n, true
		}
	}
	return name, false, ok
}

// sooner returns how long the watch may wait: until an onion is due, and no
// longer than wait.
func (r *onionProbes) sooner(onions map[string]tor.Descriptor, now time.Time, wait time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.of {
		wait = min(wait, o.nextProbe.Sub(now))
		if !o.locked && onions[o.address].Out {
			wait = min(wait, o.nextCall.Sub(now))
		}
	}
	return wait
}

// connected reports whether tor has the network, so that a call says something of the onion.
func connected(t tor.Status) bool { return t.Running && t.Bootstrap == 100 && t.Live && t.Circuits }

// follow follows whether the network is there. When it has come back those onions are called soon
// that were not reached: that may have been why.
func (r *onionProbes) follow(connected bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.of {
		if soon := now.Add(jitter(callFirst)); connected && r.cut && o.failures > 0 && o.nextCall.After(soon) {
			o.nextCall = soon
		}
	}
	r.cut = !connected
}

// record takes over what was found out, and says when to look again.
func (r *onionProbes) record(name string, got link.Reached, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.of[name]
	if o == nil {
		return
	}
	o.nextProbe = now.Add(jitter(lookEvery))
	for _, st := range got.Ports {
		o.sawTarget(st)
		if !st.Reachable {
			o.nextProbe = now.Add(jitter(lookAgain))
		}
	}
	if len(got.Calls) == 0 {
		return
	}
	o.sure = true
	for _, c := range got.Calls {
		p := o.port(c.Virtual)
		p.call = c
		if c.Error == "" {
			p.lastOK = c.At
		} else {
			o.sure = false
		}
	}
	o.plan(now)
}

// plan sets the time of the next call.
func (o *onionProbe) plan(now time.Time) {
	if o.sure {
		o.failures, o.repairs = 0, 0
		o.nextCall = now.Add(jitter(callEvery))
		return
	}
	o.failures++
	o.nextCall = now.Add(jitter(min(callAgain<<min(o.failures-1, 8), callSeldom)))
}

// sawTarget takes over what serve saw of a target, unless that is old news.
func (o *onionProbe) sawTarget(st link.PortStatus) {
	p := o.port(st.Virtual)
	if st.At.Before(p.target.At) {
		return
	}
	p.target = st
	if st.Reachable {
		p.lastUp = st.At
	}
}

func (o *onionProbe) port(virtual uint16) *portProbe {
	if o.ports[virtual] == nil {
		o.ports[virtual] = &portProbe{}
	}
	return o.ports[virtual]
}

// failed says that an onion could not be asked about; it is tried again.
func (r *onionProbes) failed(name string, call bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.of[name]; o != nil {
		o.nextProbe = now.Add(jitter(lookAgain))
		if call {
			o.nextCall = now.Add(jitter(lookAgain))
		}
	}
}

// broken returns the onions to publish again: those that are not reached while
// tor itself is well.
func (r *onionProbes) broken(t tor.Status, now time.Time) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !connected(t) {
		return nil
	}
	for name, o := range r.of {
		if o.needsRepair(t.Onions[o.address], t.Since, now) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// repairing notes that an onion is published again now, or cannot be because
// visitors are there.
func (r *onionProbes) repairing(name string, here bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.of[name]
	switch {
	case o == nil:
	case here:
		o.nextRepair = now.Add(callAgain)
	default:
		o.nextRepair = now.Add(jitter(min(repairPause<<min(o.repairs, 8), repairRest)))
		o.repairs++
		o.repaired = now
		o.nextCall = now.Add(jitter(callFirst))
	}
}

func (o *onionProbe) needsRepair(d tor.Descriptor, torSince, now time.Time) bool {
	if o.fast || now.Before(o.nextRepair) {
		return false
	}
	begin := o.since
	if torSince.After(begin) {
		begin = torSince
	}
	switch {
	case d.Uploads == 0:
		return now.Sub(begin) > uploadWait
	case now.Sub(d.At) > uploadOld:
		return true
	}
	return o.failures >= repairAfter && !o.elsewhere()
}

// elsewhere reports whether another box answers at the address: nothing that
// this box could repair.
func (o *onionProbe) elsewhere() bool {
	for _, p := range o.ports {
		if p.call.Elsewhere {
			return true
		}
	}
	return false
}

// watchPause is the least time between two looks at onions.
const watchPause = time.Second

// Run implements feature.Runner: it looks at the onions, one at a time, until ctx
// ends: when one of them is due, and after each pass, which may have brought others.
func (f *Feature) Run(ctx context.Context) error {
	timer := time.NewTimer(watchPause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.passed:
		case <-timer.C:
		}
		timer.Reset(max(watchPause, f.Watch(ctx)))
	}
}

// watchEvery is the most between two looks.
const watchEvery = 30 * time.Second

// Watch does the one thing that is due, and returns when the next one is.
// Without tor nothing is, and without the network no call; what changes that ends with a pass.
func (f *Feature) Watch(ctx context.Context) time.Duration {
	now := f.Now()
	t := f.Tor.Status()
	t.Onions = f.all(t)
	f.probes.keep(f.watched(), now)
	if f.probes.follow(connected(t), now); !connected(t) {
		t.Onions = nil // nobody can be called
	}
	if !t.Running || t.Bootstrap < 100 {
		return watchEvery
	}
	if name, call, ok := f.probes.due(t.Onions, now); ok {
		f.reachOnion(ctx, name, call)
	}
	if names := f.probes.broken(t, now); len(names) > 0 {
		f.repair(ctx, names)
	}
	return f.probes.sooner(t.Onions, f.Now(), watchEvery)
}

// watched are the onions that somebody may visit.
func (f *Feature) watched() map[string]probedOnion {
	now, self := f.host.Now(), f.ownKey().Public
	list := make(map[string]probedOnion)
	for fast, onions := range map[bool][]tor.Onion{false: now.Desired.Tor.Onions, true: now.Desired.Fast.Onions} {
		for _, o := range onions {
			if o.Address == string(now.Addresses[o.Name]) { // not an old address of it
				locked := o.Clients != nil && !slices.Contains(o.Clients, self)
				list[o.Name] = probedOnion{o.Address, locked, fast}
			}
		}
	}
	return list
}

// reachOnion finds out about one onion and keeps it.
func (f *Feature) reachOnion(ctx context.Context, name string, call bool) error {
	got, err := f.Server.Reach(ctx, name, call)
	if err != nil {
		f.probes.failed(name, call, f.Now())
		f.Log.Debug("an onion could not be looked at", "onion", name, "error", err)
		return err
	}
	f.probes.record(name, got, f.Now())
	return nil
}

// repair publishes onions again, but for those by which somebody is here, who
// would be cut off. Nothing else is touched: tor, the other onions and the
// household's circuits go on.
func (f *Feature) repair(ctx context.Context, names []string) {
	for _, name := range names {
		served, err := f.Server.Status(ctx) // of this moment: the one before took its time
		if err != nil {
			return // nobody knows who would be cut off
		}
		here := slices.ContainsFunc(served.Fronts, func(s link.FrontStatus) bool { return s.Onion == name && s.Active > 0 })
		f.probes.repairing(name, here, f.Now())
		if here {
			continue
		}
		f.Log.Warn("an onion is not reached, so it is published again", "onion", name)
		if err := f.Tor.Republish(ctx, name); err != nil {
			f.Log.Warn("publishing an onion again failed", "onion", name, "error", err)
		}
	}
}
