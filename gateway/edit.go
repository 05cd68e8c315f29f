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

var (
	// onionFault is of verbs about onions, their addresses and who finds them.
	onionFault = feature.Faults([]health.Code{health.TorRefused}, health.FastTorDown, health.ServeProblem,
		health.OnionKeys, health.OnionForeign, health.OldAddress)
	// friendFault is of verbs about other boxes, and who of them finds what.
	friendFault = feature.Faults([]health.Code{health.TorRefused}, health.FriendsUnusable, health.NamesUnusable)
)

// reloadFault is of a reload: what concerns the household, and what was not
// there before.
func reloadFault(f health.Finding, news bool) bool { return f.Code.Household() || news }

// memory is what the loop holds in memory of the files that edits write.
type memory struct {
	config *config.Config
	old    []OldAddress
}

func (g *Gateway) remember() memory {
	return memory{g.snapshot().config, g.rotations.current()}
}

func (g *Gateway) recall(m memory) {
	g.mu.Lock()
	g.view.config = m.config
	g.mu.Unlock()
	g.rotations.set(m.old)
}

// edit makes a change in the loop, or nothing.
func (g *Gateway) edit(ctx context.Context, e feature.Edit) error {
	kept, err := durable.Keep(append([]string{g.rotations.path}, e.Files...)...)
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
	return notDone(err, undone)
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

// notDone is the error of an edit that was taken back.
func notDone(err, undone error) error {
	if undone != nil {
		return &api.Failure{Problem: api.Problem{Error: errors.Join(err, undone).Error(),
			Hint: "a part of it could not be undone: look at the files above, then run `tunic reload`"}}
	}
	if _, ok := errors.AsType[*api.Failure](err); ok {
		return err
	}
	return feature.Usage(err, "nothing was changed")
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

// EditAlone makes a change of the configuration while no daemon runs: a file of
// it that does not agree with the others is put back. The paths are those that
// write changes.
func EditAlone(p config.Paths, write func() error, files ...string) error {
	kept, err := durable.Keep(files...)
	if err != nil {
		return feature.Usage(err, "nothing was changed")
	}
	if err = write(); err == nil {
		_, err = loadConfig(p)
	}
	if err == nil {
		kept.Release()
		return nil
	}
	return notDone(err, kept.PutBack())
}
