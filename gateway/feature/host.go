package feature

import (
	"context"
	"errors"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/health"
	"tunic/rules"
)

// Host is all that a feature can ask of the reconciler.
type Host interface {
	// Do runs f in the loop, between passes, and waits for it.
	Do(ctx context.Context, f func(context.Context) error) error
	// Edit makes a change in the loop, or nothing.
	Edit(ctx context.Context, e Edit) error
	// Adopt changes the configuration that is in force, without reading the files
	// again, in which their owner may be writing.
	Adopt(change func(config.Config) config.Config)
	// Wake has the loop look again at once.
	Wake()
	// Soon has the loop look again, with what else comes within a second: for what
	// comes many at a time.
	Soon()
	// Rules brings the open rules up to date without a pass. The error is ErrClosed
	// when they are not in force.
	Rules(ctx context.Context, change func(*rules.Input)) error
	// Changes says line by line what a configuration would change, and changes nothing.
	Changes(ctx context.Context, c *config.Config) ([]string, error)
	// Now is the box as the last pass left it.
	Now() Now
}

// ErrClosed says that the household is closed.
var ErrClosed = errors.New("the household is closed")

// Now is the box as the last pass left it.
type Now struct {
	Scene
	Desired Desired
	Rules   rules.Ruleset // that are in force
	Open    bool
	Why     string // the household is not open
}

// NotYet is the answer for what starts with the rest of the box.
func (n Now) NotYet(what string) error {
	return &api.Failure{Problem: api.Problem{Error: what + " starts when the household is open: " + n.Why,
		Hint: "`tunic status` says more"}}
}

// Edit is a change that a verb makes: in force whole, or undone whole.
type Edit struct {
	Files []string     // what it may write; a directory stands for the files in it
	Write func() error // writes it
	Undo  func() error // takes back what it did beside the files; nil: nothing
	Load  bool         // it concerns the configuration, which is read and judged again
	Fault Fault        // what of the pass that follows is its own failure
	Last  func() error // what nobody can undo: done when all else is in force; nil: nothing
}

// Finish does what cannot be undone.
func (e Edit) Finish() error {
	if e.Last == nil {
		return nil
	}
	return e.Last()
}

// Fault says whether a verb has failed if there is this finding after it; news
// says that it was not there before.
type Fault func(f health.Finding, news bool) bool

// Faults is the fault of a verb to which these findings matter: always if they
// say that a part takes nothing that it is given, else when they are news.
func Faults(always []health.Code, ifNews ...health.Code) Fault {
	return func(f health.Finding, news bool) bool {
		return slices.Contains(always, f.Code) || news && slices.Contains(ifNews, f.Code)
	}
}

// Usage is the failure of what was asked for, unless the disk is the reason, with
// what to do instead.
func Usage(err error, hint string) error {
	return &api.Failure{Problem: api.Problem{Error: err.Error(), Hint: hint, Usage: !durable.Trouble(err)}}
}
