package pair

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"tunic/gateway/away"
	"tunic/gateway/link"
	"tunic/gateway/peer"
)

// Times between conversations. They are jittered, so that two boxes that come back
// together do not go on missing each other. A box that is not reached is dialled
// again when the Gate says so; but for one that has invited us, since nothing else
// tells that it is back, lastRetry is the longest.
const (
	firstRetry = 2 * time.Second // after a conversation that broke off
	lastRetry  = 2 * time.Minute
	waitRetry  = 3 * time.Second // while the other owner has to confirm
	lastWait   = 30 * time.Second
	helloEvery = 10 * time.Minute
)

// Dialer calls other boxes: those whose invitation we have accepted, until that
// has come to an end, and friends, whenever there is news and from time to time.
type Dialer struct {
	Parent Parent
	Log    *slog.Logger
	Reason func(error) string   // why a dial failed, in words
	Met    func(onion peer.Key) // called when a friend was reached; must not block
	Gate   *away.Gate           // by which boxes are dialled

	// Dial connects to a box. A fresh dial shares no circuits with any other.
	Dial func(ctx context.Context, host string, port uint16, fresh bool) (net.Conn, error)

	mu     sync.Mutex
	peers  link.Peers
	tasks  map[task]*running
	status map[peer.Key]link.PeerStatus
}

// task is one box to call for one reason.
type task struct {
	invite [16]byte // zero: a friend
	onion  link.Key
}

// running is a task under way.
type running struct {
	cancel context.CancelFunc
	news   chan struct{} // has room for one
	what   any           // the link.Call or link.Friend that it is about
}

// Set says whom to call. Tasks live until ctx ends or they are not named any
// more.
func (d *Dialer) Set(ctx context.Context, p link.Peers) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tasks == nil {
		d.tasks, d.status = make(map[task]*running), make(map[peer.Key]link.PeerStatus)
	}
	d.peers = p
	wanted := make(map[task]any)
	for _, c := range p.Calls {
		wanted[task{c.Invite, c.Onion}] = c
	}
	for _, f := range p.Friends {
		wanted[task{onion: f.Onion}] = f
	}
	for t, r := range d.tasks {
		if wanted[t] == nil {
			r.cancel()
			delete(d.tasks, t)
		}
	}
	for t, what := range wanted {
		d.begin(ctx, t, what)
	}
	for onion := range d.status {
		if !slices.ContainsFunc(p.Friends, func(f link.Friend) bool { return f.Onion == link.Key(onion) }) &&
			!slices.ContainsFunc(p.Calls, func(c link.Call) bool { return c.Onion == link.Key(onion) }) {
			delete(d.status, onion)
		}
	}
}

// begin starts a task, or tells the one that runs that there is news.
func (d *Dialer) begin(ctx context.Context, t task, what any) {
	if r := d.tasks[t]; r != nil {
		if !reflect.DeepEqual(r.what, what) {
			r.what = what
			r.poke()
		}
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &running{cancel: cancel, news: make(chan struct{}, 1), what: what}
	d.tasks[t] = r
	go d.work(ctx, r)
}

func (r *running) poke() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// Call says hello to a friend now, whatever it was waiting for.
func (d *Dialer) Call(who peer.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.tasks[task{onion: link.Key(who)}]; r != nil {
		r.poke()
	}
}

// Status says how the last attempts ended.
func (d *Dialer) Status() []link.PeerStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []link.PeerStatus
	for _, s := range d.status {
		list = append(list, s)
	}
	return list
}

func (d *Dialer) now(r *running) (what any, self peer.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return r.what, peer.Key(d.peers.Self)
}

// work tries until the task is done with, which only Set says.
func (d *Dialer) work(ctx context.Context, r *running) {
	pause, patience := firstRetry, firstDial
	for ctx.Err() == nil {
		what, self := d.now(r)
		var who peer.Key
		var err error
		wait := jitter(helloEvery)
		switch what := what.(type) {
		case link.Call:
			who, err = peer.Key(what.Onion), d.accept(ctx, self, what, patience)
		case link.Friend:
			who, err = peer.Key(what.Onion), d.hello(ctx, self, what, patience)
		}
		if !d.note(ctx, who, err) {
			return
		}
		if errors.As(err, new(*unreached)) {
			patience = min(2*patience, lastDial)
		} else {
			patience = firstDial
		}
		switch {
		case err == nil:
			pause = firstRetry
		case errors.Is(err, errWaiting):
			wait, pause = jitter(min(max(pause, waitRetry), lastWait)), min(pause+pause/2, lastWait)
		case patience > firstDial:
			wait = d.rest(who, what)
		default:
			wait, pause = jitter(pause), min(2*pause, lastRetry)
		}
		if sleep(ctx, wait, r.news) {
			pause = firstRetry
			d.Gate.Back(who.Address())
		}
	}
}

// rest is how long a box that was not reached is not dialled.
func (d *Dialer) rest(who peer.Key, what any) time.Duration {
	wait := d.Gate.Pause(who.Address())
	if _, invited := what.(link.Call); invited {
		wait = min(wait, jitter(lastRetry))
	}
	return wait
}

// note keeps how an attempt has ended, and reports whether there is still somebody to call.
func (d *Dialer) note(ctx context.Context, who peer.Key, err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Err() != nil { // Set has removed the status under the same lock
		return false
	}
	d.status[who] = link.PeerStatus{Onion: link.Key(who), At: time.Now().UTC(), Error: words(err)}
	return true
}

// accept goes on with an invitation that we have accepted. What the other box
// refuses for good is told the parent, which then ends the task.
func (d *Dialer) accept(ctx context.Context, self peer.Key, c link.Call, patience time.Duration) error {
	err := d.call(ctx, peer.Key(c.Onion), patience, func(s side) error { return s.accept(self, c) })
	if why, ok := errors.AsType[peer.Refusal](err); ok && why.Final() {
		_, failErr := d.Parent.Pair(ctx, link.Pairing{Step: link.PairFail, Invite: c.Invite, Onion: c.Onion, Refusal: uint8(why)})
		d.Log.Info("an invitation came to nothing", "reason", why.Error(), "error", failErr)
	}
	return err
}

// hello tells a friend what there is to know, and has the parent keep the answer.
func (d *Dialer) hello(ctx context.Context, self peer.Key, f link.Friend, patience time.Duration) error {
	return d.call(ctx, peer.Key(f.Onion), patience, func(s side) error {
		said, roundTrip, err := s.greet(self, f)
		if err != nil {
			return err
		}
		if err := d.Parent.Seen(ctx, said.seen(peer.Key(f.Onion), roundTrip)); err != nil {
			return err
		}
		if d.Met != nil {
			d.Met(peer.Key(f.Onion))
		}
		return nil
	})
}

// jitter is between three and five quarters of d.
func jitter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2) }

// sleep waits, and reports whether news ended it.
func sleep(ctx context.Context, d time.Duration, news <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-news:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}
