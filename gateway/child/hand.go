package child

import (
	"context"
	"os"
	"reflect"
	"slices"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/supervise"
)

// Hand returns which process serve is, and where its output is read from: the next
// daemon watches it until its last stream has ended.
func (p *Process) Hand() (supervise.Handed, *os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return supervise.Handed{}, nil, errNotRunning
	}
	return p.process.Hand()
}

// HandOld is Hand of the serves of earlier daemons, the oldest first.
func (p *Process) HandOld() (list []supervise.Handed, outputs []*os.File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.olds {
		if h, out, err := o.process.Hand(); err == nil { // else it has just ended
			list, outputs = append(list, h), append(outputs, out)
		}
	}
	return list, outputs
}

// Rest has serve give up what only one of a house can do, until the next Apply.
func (p *Process) Rest(ctx context.Context) error {
	end := p.there()
	p.mu.Lock()
	p.current = nil // whatever comes of the question
	p.mu.Unlock()
	_, err := ask(ctx, end, link.Rest, struct{}{})
	return err
}

// Drain has serve take nothing new and go on without a parent, and returns how many
// streams there are.
func (p *Process) Drain(ctx context.Context) (int, error) {
	return ask(ctx, p.there(), link.Drain, struct{}{})
}

// stopOld is how long the serve of an earlier daemon may take to end.
const stopOld = 5 * time.Second

// old is the serve of an earlier daemon, whose streams go on.
type old struct {
	process *supervise.Process
	runs    *link.Desired // what it was told, as far as is known; nil: not yet
}

// Inherit watches the serve of an earlier daemon. It is ended with this one, and when
// something that it goes by changes, for it is told nothing any more.
func (p *Process) Inherit(h supervise.Handed, out *os.File) error {
	says := func(line string) { p.Log.Info("the earlier serve says", "line", line) }
	process, err := supervise.Adopt("the earlier serve", h, out, p.Log, says)
	if err != nil {
		return err
	}
	p.mu.Lock()
	o := &old{process: process}
	p.olds = append(p.olds, o)
	p.mu.Unlock()
	go func() {
		<-process.Done()
		p.Log.Info("the last stream of the earlier version has ended")
		p.mu.Lock()
		p.olds = slices.DeleteFunc(p.olds, func(other *old) bool { return other == o })
		p.mu.Unlock()
	}()
	return nil
}

// follow ends earlier serves if what they serve by is not so any more. p.mu is held.
func (p *Process) follow(d link.Desired) {
	for _, o := range p.olds {
		switch {
		case o.runs == nil:
			o.runs = &d
		case !sameDoors(*o.runs, d):
			go p.endOne(context.Background(), o)
		}
	}
}

// sameDoors reports whether streams that one state lets in may go on in the other.
func sameDoors(a, b link.Desired) bool {
	return a.TorUID == b.TorUID && reflect.DeepEqual(a.Fronts, b.Fronts) && reflect.DeepEqual(a.Users, b.Users) &&
		reflect.DeepEqual(a.Terminators, b.Terminators) && reflect.DeepEqual(a.Gopher, b.Gopher) && reflect.DeepEqual(a.Mail, b.Mail) &&
		reflect.DeepEqual(a.SOCKS, b.SOCKS) && reflect.DeepEqual(offers(a), offers(b))
}

// offers are what friends may use, whatever the box proves itself by.
func offers(d link.Desired) []link.OwnService {
	if d.Services == nil {
		return nil
	}
	return d.Services.Own
}

// endOld ends the earlier serves.
func (p *Process) endOld(ctx context.Context) {
	p.mu.Lock()
	olds := slices.Clone(p.olds)
	p.mu.Unlock()
	for _, o := range olds {
		p.endOne(ctx, o)
	}
}

func (p *Process) endOne(ctx context.Context, o *old) {
	if err := o.process.Stop(ctx, stopOld); err != nil {
		p.Log.Warn("the earlier serve stays", "error", err)
	}
}
