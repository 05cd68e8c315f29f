// Package feature holds what the reconciler and the rooms beside it have in
// common: what the box is like at a moment (Scene), what is wanted of it
// (Desired), and what a feature is that says so.
//
// It is a leaf towards them: it knows no feature, and neither the reconciler nor
// the system. A feature is a package below it, which imports no other feature; the
// list of them, in their order, is in cmd/tunic/house.go.
package feature

import (
	"context"
	"encoding/json"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
)

// Feature is one thing that the box does for its household.
type Feature interface {
	// Name is a word in a debug line.
	Name() string
	// Look learns what is wanted depends on beside the scene: files, accounts, the
	// clock. It runs in the loop, repeats, writes below the feature's own paths
	// only, and nothing for a scene that is foreseen. What others need to know of it,
	// it adds to s. It never fails: what it cannot do it reports, and then does not
	// want.
	Look(ctx context.Context, s *Scene, r *Report) Wish
}

// Checker is a feature that may refuse a configuration before it is in force.
type Checker interface {
	Check(ctx context.Context, s Scene) error
}

// Reporter is a feature that has a part of the status, in a scene as it is now.
type Reporter interface {
	Report(ctx context.Context, s Scene, status *api.Status)
}

// Amender is a feature that has another configuration in force for a while. The one
// it is given stays as it is.
type Amender interface {
	Amend(c *config.Config) *config.Config
}

// Watcher is a feature that has to look often, which is cheaper than a pass.
type Watcher interface {
	Watching(s Scene) bool                     // there is something to watch
	Changed(ctx context.Context, s Scene) bool // it is not as the last pass saw it
}

// Runner is a feature that works beside the loop, until ctx ends.
type Runner interface {
	Run(ctx context.Context) error
}

// Settler is a feature that tells what is in force: what it has looked at is, once
// the pass is over and its rules and cuts are done.
type Settler interface {
	Settle()
}

// Sooner is a feature that has to look again at some time.
type Sooner interface {
	Next() time.Time // zero: at none
}

// Heir is a feature that has in memory alone what the daemon needs that takes the place
// of this one. It inherits before it looks for the first time. What it does not
// understand, of another version, it does without.
type Heir interface {
	Bequeath() (json.RawMessage, error)
	Inherit(json.RawMessage) error
}
