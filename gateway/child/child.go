// Package child keeps `tunic serve` running, which speaks with devices and
// strangers, and is the parent's end of the link to it.
package child

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"sync"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/supervise"
)

// stopDeaf is how long a serve may take to end that does not listen to the parent any more.
const stopDeaf = 2 * time.Second

var errDeaf = errors.New("it did not listen to the parent any more")

// errNotRunning is returned while no serve process is there to obey.
var errNotRunning = errors.New("serve is not running, it is being started")

// Process is serve: the parent starts it, and again whenever it ends.
type Process struct {
	Command supervise.Command // without Files: the link is its descriptor 3
	Log     *slog.Logger
	Changed func()   // called when serve came or went; must not block
	Answers link.Mux // to what serve asks

	mu      sync.Mutex
	end     *link.End // nil while serve is away
	process *supervise.Process
	olds    []*old              // serves of earlier daemons
	sent    map[string]*os.File // listeners that this process has
	current *link.Desired       // what this process runs
	lastErr error               // how the last process ended
}

// Serve keeps the process running until ctx ends.
func (p *Process) Serve(ctx context.Context) error {
	b := supervise.Backoff{Min: 200 * time.Millisecond, Max: 30 * time.Second, Healthy: time.Minute,
		OnExit: func(err error, _ time.Duration) {
			p.mu.Lock()
			p.lastErr = err
			p.mu.Unlock()
			p.Changed()
		}}
	defer p.endOld(context.WithoutCancel(ctx))
	return supervise.Keep(ctx, "serve", p.Log, b, p.run)
}

// run is the life of one process.
func (p *Process) run(ctx context.Context) error {
	conn, file, err := link.Pair()
	if err != nil {
		return err
	}
	end := link.NewEnd(conn, &p.Answers)
	defer end.Close()
	cmd := p.Command
	cmd.Files = []*os.File{file}
	process, err := supervise.Start(cmd, p.Log, func(line string) { p.Log.Info("serve says", "line", line) })
	file.Close()
	if err != nil {
		return err
	}
	p.attach(end, process)
	defer p.attach(nil, nil)
	deaf := make(chan struct{})
	go func() { p.listen(ctx, end); close(deaf) }()
	p.Changed()
	select {
	case <-process.Done():
		return process.Err()
	case <-deaf: // one that runs without a parent would never be told anything any more
		return cmp.Or(process.Stop(ctx, stopDeaf), process.Err(), errDeaf)
	case <-ctx.Done():
		end.Close() // serve ends when the link does
		return process.Stop(context.WithoutCancel(ctx), 5*time.Second)
	}
}

func (p *Process) attach(end *link.End, process *supervise.Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end, p.process, p.sent, p.current = end, process, make(map[string]*os.File), nil
}

// listen answers what serve asks, until it goes away.
func (p *Process) listen(ctx context.Context, end *link.End) {
	if err := end.Run(ctx); !errors.Is(err, link.ErrClosed) {
		p.Log.Warn("the link to serve is closed", "error", err)
	}
}

// PID is the process id of serve, 0 while it is away.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return 0
	}
	return p.process.PID()
}

// there is the end of the process that runs now; nil: none does.
func (p *Process) there() *link.End {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end
}

// ask asks serve, if it is there.
func ask[Q, A any](ctx context.Context, end *link.End, v link.Verb[Q, A], question Q) (answer A, err error) {
	if end == nil {
		return answer, errNotRunning
	}
	answer, err = link.Ask(ctx, end, v, question)
	if errors.Is(err, link.ErrClosed) {
		err = errNotRunning
	}
	return answer, err
}

// Apply makes serve run d on the listeners, and returns what it could not do.
// If serve runs just that already, nothing is sent.
func (p *Process) Apply(ctx context.Context, d link.Desired, listeners map[string]*os.File) ([]string, error) {
	p.mu.Lock()
	err := p.hand(listeners)
	same := p.current != nil && reflect.DeepEqual(*p.current, d)
	if !same {
		p.current = nil // it may take d, or half of it, whatever comes of the question
	}
	end := p.end
	p.follow(d)
	p.mu.Unlock()
	if err != nil || same {
		return nil, err
	}
	failed, err := ask(ctx, end, link.Apply, d)
	if err == nil && len(failed) == 0 {
		p.runs(end, d)
	}
	return failed, err
}

// runs notes what a process runs, if it still does.
func (p *Process) runs(end *link.End, d link.Desired) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end == end {
		p.current = &d
	}
}

// hand sends the listeners that this process does not have yet. p.mu is held.
func (p *Process) hand(listeners map[string]*os.File) error {
	if p.end == nil {
		return errors.Join(errNotRunning, p.lastErr)
	}
	for name, f := range listeners {
		if p.sent[name] == f {
			continue
		}
		if err := p.end.Hand(name, f); err != nil {
			return fmt.Errorf("handing listener %s to serve: %w", name, err)
		}
		p.sent[name], p.current = f, nil
	}
	for name := range p.sent {
		if listeners[name] == nil {
			delete(p.sent, name)
		}
	}
	return nil
}

// Status asks serve for its counters.
func (p *Process) Status(ctx context.Context) (link.Status, error) {
	return ask(ctx, p.there(), link.Report, struct{}{})
}

// Reach has serve find out whether an onion can be reached; with call through Tor.
func (p *Process) Reach(ctx context.Context, onion string, call bool) (link.Reached, error) {
	return ask(ctx, p.there(), link.Reach, link.Trial{Onion: onion, Call: call})
}

// LookAtService has serve connect once to the server that friends may use under a name.
func (p *Process) LookAtService(ctx context.Context, name string) (link.PortStatus, error) {
	return ask(ctx, p.there(), link.LookAtService, name)
}

// Try has serve open a page through Tor once.
func (p *Process) Try(ctx context.Context, a link.Attempt) (link.Attempted, error) {
	return ask(ctx, p.there(), link.Try, a)
}

// Renew makes serve give the devices, or all if none is named, other
// identities towards tor.
func (p *Process) Renew(ctx context.Context, devices []netip.Addr) error {
	_, err := ask(ctx, p.there(), link.Renew, link.Renewal{Devices: devices})
	return err
}

// Sample has serve take a profile of itself.
func (p *Process) Sample(ctx context.Context, s link.Sampling) ([]byte, error) {
	return ask(ctx, p.there(), link.Sample, s)
}

// TellAdmins has serve deliver a notice to the admins' mailboxes.
func (p *Process) TellAdmins(ctx context.Context, n link.Notice) error {
	_, err := ask(ctx, p.there(), link.TellAdmins, n)
	return err
}

// Mail asks serve about its queue of mail, or to change it.
func (p *Process) Mail(ctx context.Context, q link.MailQuestion) (link.MailAnswer, error) {
	return ask(ctx, p.there(), link.AskMail, q)
}
