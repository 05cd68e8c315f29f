package succession

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"tunic/gateway/link"
)

// Limit is how long a heir may take until it works.
const Limit = time.Minute

// leaveWait bounds what is left to do for a daemon whose heir works.
const leaveWait = 15 * time.Second

// handWait bounds how long the old daemon may take until it stops.
const handWait = 20 * time.Second

// Old is the daemon that is replaced.
type Old interface {
	// Hand stops touching anything, and returns what the heir needs. It is followed by
	// Leave or TakeBack, also when it fails.
	Hand(ctx context.Context) (Estate, map[string]*os.File, error)
	// TakeBack goes on as before.
	TakeBack(ctx context.Context)
	// Leave lets go of everything, and returns how many streams go on in its serve.
	// The process of that number has it.
	Leave(ctx context.Context, heir int) int
}

// Result is how a replacement went.
type Result struct {
	Version string // of the heir
	Streams int    // of the old serve that go on
	Took    time.Duration
}

// errLate is the error of a heir that does not work in time.
var errLate = errors.New("it did not work in time")

// replacement is one attempt.
type replacement struct {
	old  Old
	end  *link.End
	heir int // its process id

	ended chan struct{} // closed when the heir has ended
	how   error         // it did; set before ended is closed

	over chan struct{} // closed when the link is

	works  chan struct{}
	once   sync.Once
	left   chan struct{} // closed when the old daemon has left
	back   chan struct{} // closed when it goes on
	failed chan error    // holds what the heir said
	result Result

	mu     sync.Mutex
	closed bool // nothing is handed over any more
	handed bool
}

// Replace starts heir, which must have no Files yet, and waits until it has taken the
// old daemon's place, or for limit. On an error everything is as before, and the heir
// is gone.
func Replace(ctx context.Context, heir *exec.Cmd, old Old, limit time.Duration) (Result, error) {
	began := time.Now()
	conn, file, err := link.Pair()
	if err != nil {
		return Result{}, err
	}
	heir.ExtraFiles = []*os.File{file}
	err = heir.Start()
	file.Close()
	if err != nil {
		conn.Close()
		return Result{}, fmt.Errorf("starting the new version: %w", err)
	}
	r := &replacement{old: old, heir: heir.Process.Pid, ended: make(chan struct{}), over: make(chan struct{}), works: make(chan struct{}),
		left: make(chan struct{}), back: make(chan struct{}), failed: make(chan error, 1)}
	r.end = link.NewEnd(conn, r.answers())
	go func() {
		defer close(r.ended)
		r.how = heir.Wait()
	}()
	go func() {
		defer close(r.over)
		_ = r.end.Run(context.WithoutCancel(ctx)) // whatever it is, the heir is heard no more
	}()
	if err := r.wait(ctx, limit); err != nil {
		r.putBack(ctx, heir)
		return Result{}, err
	}
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWait)
	defer cancel()
	r.result.Streams = old.Leave(leaving, r.heir)
	close(r.left)
	select {
	case <-r.over: // the heir knows
	case <-leaving.Done():
	}
	r.result.Took = time.Since(began)
	return r.result, nil
}

// wait waits until the heir works.
func (r *replacement) wait(ctx context.Context, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-r.works:
		return nil
	case err := <-r.failed:
		return fmt.Errorf("the new version gave up: %w", err)
	case <-r.ended:
		return r.ending()
	case <-r.over:
		select {
		case <-r.ended:
			return r.ending()
		case <-time.After(time.Second): // it closed the link, or said what nobody understands
			return errors.New("the new version was ended: it does not speak as a heir does")
		}
	case <-timer.C:
		return fmt.Errorf("the new version was ended after %v: %w", limit, errLate)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ending is how the heir ended, in its own words if it has said any.
func (r *replacement) ending() error {
	select {
	case said := <-r.failed:
		return fmt.Errorf("the new version gave up: %w", said)
	default:
		return fmt.Errorf("the new version ended before it worked (%w)", cmp.Or(r.how, errors.New("exit status 0")))
	}
}

// putBack ends the heir before anything is taken back.
func (r *replacement) putBack(ctx context.Context, heir *exec.Cmd) {
	close(r.back)
	_ = heir.Process.Kill() // it may have ended
	select {
	case <-r.ended:
	case <-time.After(leaveWait): // it hangs in the kernel
	}
	r.end.Close()
	r.mu.Lock()
	r.closed = true
	handed := r.handed
	r.mu.Unlock()
	if handed {
		r.old.TakeBack(context.WithoutCancel(ctx))
	}
}

// answers are what the heir may ask, in this order.
func (r *replacement) answers() *link.Mux {
	m := new(link.Mux)
	link.Handle(m, link.TakeOver, r.hand)
	link.Handle(m, link.Works, func(ctx context.Context, _ struct{}) (none struct{}, err error) {
		r.mu.Lock()
		handed := r.handed
		r.mu.Unlock()
		if !handed {
			return none, errors.New("nothing was handed over")
		}
		r.once.Do(func() { close(r.works) })
		select {
		case <-r.left:
		case <-r.back:
			err = errors.New("it is too late")
		}
		return none, err
	})
	link.Handle(m, link.GivesUp, func(_ context.Context, why string) (none struct{}, _ error) {
		select {
		case r.failed <- errors.New(why):
		default:
		}
		return none, nil
	})
	return m
}

// hand gives the heir the descriptors, and answers with the rest.
func (r *replacement) hand(ctx context.Context, version string) (json.RawMessage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.handed {
		return nil, errors.New("it was handed over already, or is taken back")
	}
	r.handed, r.result.Version = true, version
	ctx, cancel := context.WithTimeout(ctx, handWait)
	defer cancel()
	estate, files, err := r.old.Hand(ctx)
	if err != nil {
		return nil, err
	}
	for name, f := range files {
		if err := r.end.Hand(name, f); err != nil {
			return nil, fmt.Errorf("handing %s over: %w", name, err)
		}
	}
	return json.Marshal(estate)
}
