package gateway

import (
	"context"
	"errors"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

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
	g.view.config = m.config
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
	g.Wake() // the loop's timer has to know when what was changed ends
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
	return &api.Failure{Problem: api.Problem{Error: errors.Join(errs...).Error(), Hint: "what was asked for is undone; `tunic status` says how things are"}}
}
