package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// Reload reads the configuration again and applies it. With any mistake in it
// nothing changes. It also ends a lockdown that was asked for.
func (g *Gateway) Reload(ctx context.Context) error {
	return g.do(ctx, g.reload)
}

func (g *Gateway) reload(ctx context.Context) error {
	if err := g.load(ctx); err != nil {
		return err
	}
	g.held = false
	before := g.snapshot().findings
	g.pass(ctx)
	err := g.passError(before, reloadFault)
	if f, ok := errors.AsType[*api.Failure](err); ok {
		f.Hint = "the configuration is in force as far as possible; see `tunic status`"
	}
	return err
}

// load reads the configuration, and has it judged by all who can say something
// about it. With any mistake in it nothing changes; the pass that follows at once
// enforces it.
func (g *Gateway) load(ctx context.Context) error {
	c, err := feature.Load(g.Paths)
	if err != nil {
		return err
	}
	around := g.lookAround(ctx, c)
	if err := check(ctx, g.Features, feature.Scene{Config: c, Paths: g.Paths, Surroundings: around}); err != nil {
		return err
	}
	if err := g.judge(ctx, c); err != nil {
		return err
	}
	g.sight = &around
	g.mu.Lock()
	g.current.config = c
	g.mu.Unlock()
	return nil
}

// check asks the features whether a configuration can be in force.
func check(ctx context.Context, features []feature.Feature, s feature.Scene) error {
	s.Foreseen = true
	for _, f := range features {
		if f, ok := f.(feature.Checker); ok {
			if err := f.Check(ctx, s); err != nil {
				return feature.Usage(err, "nothing was changed")
			}
		}
	}
	return nil
}

// Lockdown closes the household until the next reload.
func (g *Gateway) Lockdown(ctx context.Context) error {
	return g.do(ctx, func(ctx context.Context) error {
		g.held = true
		g.pass(ctx)
		if v := g.snapshot(); v.state != api.Closed {
			return errors.New(v.why)
		}
		return nil
	})
}

// reloadFault is of a reload: what concerns the household, and what was not
// there before.
func reloadFault(f health.Finding, news bool) bool { return f.Code.Household() || news }

// memory is what the loop holds in memory of the files that edits write.
type memory struct {
	config *config.Config
}

func (g *Gateway) remember() memory {
	return memory{g.snapshot().config}
}

func (g *Gateway) recall(m memory) {
	g.mu.Lock()
	g.current.config = m.config
	g.mu.Unlock()
}

// edit makes a change in the loop, or nothing.
func (g *Gateway) edit(ctx context.Context, e feature.Edit) error {
	kept, err := durable.Keep(e.Files...)
	if err != nil {
		return feature.Usage(err, "nothing was changed")
	}
	was := g.remember()
	passed, err := g.enforce(ctx, e)
	if err == nil {
		kept.Release()
		return e.Finish()
	}
	undone := kept.PutBack()
	g.recall(was)
	if e.Undo != nil {
		undone = errors.Join(undone, e.Undo())
	}
	if passed {
		g.pass(ctx)
		g.Wake()
	}
	return feature.NotDone(err, undone)
}

// answerFirst is how long the loop leaves the processor to the answer of an edit: its next
// pass changes nothing of it.
const answerFirst = 100 * time.Millisecond

// enforce writes the change and makes it so. It reports whether it came so far
// that a pass was made.
func (g *Gateway) enforce(ctx context.Context, e feature.Edit) (passed bool, err error) {
	if err := e.Write(); err != nil {
		return false, err
	}
	if e.Load {
		if err := g.load(ctx); err != nil {
			return false, err
		}
	}
	before := g.snapshot().findings
	g.pass(ctx)
	time.AfterFunc(answerFirst, g.Wake) // the loop's timer has to know when what was changed ends
	return true, g.passError(before, e.Fault)
}

// passError turns what the last pass could not do into an error, as far as it is
// the fault of who asked for the pass. before are the findings until then.
func (g *Gateway) passError(before []health.Finding, own feature.Fault) error {
	var errs []error
	for _, f := range g.snapshot().findings {
		news := !slices.ContainsFunc(before, func(b health.Finding) bool { return b.Code == f.Code && b.Text == f.Text })
		if f.Severity == health.Error && own(f, news) {
			errs = append(errs, errors.New(f.Text))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &api.Failure{Problem: api.Problem{Error: errors.Join(errs...).Error(),
		Hint: "what was asked for is undone; `tunic status` says how things are"}}
}
