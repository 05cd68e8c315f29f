package gateway

import (
	"context"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/health"
	"tunic/gateway/tor"
)

// Onions with anonymous = false live in a tor of their own, which exists only
// while there are some. The household does not use it: whatever happens to it
// is a finding, and closes nothing. An onion that changes its mode leaves the
// one tor before it enters the other: with one key in two places, visitors
// would come to either.

// shrinkFast takes out of the fast tor what it is to have no longer.
func (a *attempt) shrinkFast(ctx context.Context) {
	if len(a.desired.Fast.Onions) == 0 {
		a.Fast.Rest()
		return
	}
	a.giveFast(ctx, a.fastWithout())
}

// applyFast gives the fast tor its configuration.
func (a *attempt) applyFast(ctx context.Context) {
	if len(a.desired.Fast.Onions) == 0 {
		return
	}
	err := a.giveFast(ctx, a.fastWithout())
	st := a.Fast.Status()
	switch {
	case err != nil:
		a.find(health.FastTorDown, "", "the tor for onions that are not anonymous did not take the configuration: %v", err)
	case !st.Running && st.LastError != "":
		a.find(health.FastTorDown, "", "the tor for onions that are not anonymous is not running: %s", st.LastError)
	}
}

// fastWithout is the state of the fast tor without onions that tor still has.
func (a *attempt) fastWithout() tor.Spec {
	spec := a.desired.Fast.Clone()
	spec.Onions = slices.DeleteFunc(spec.Onions, func(o tor.Onion) bool {
		return slices.ContainsFunc(a.torHas, func(t tor.Onion) bool { return t.Address == o.Address })
	})
	return spec
}

func (a *attempt) giveFast(ctx context.Context, spec tor.Spec) error {
	if len(spec.Onions) == 0 {
		return nil
	}
	return a.Fast.Apply(ctx, spec)
}

// fastStatus is the state of the fast tor, nil if there is none.
func (g *Gateway) fastStatus(v view) *api.Tor {
	if len(v.desired.Fast.Onions) == 0 {
		return nil
	}
	t := torStatus(g.Fast.Status())
	return &t
}
