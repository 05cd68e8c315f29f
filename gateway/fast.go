package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
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

// withFast adds what the fast tor knows of its onions to what tor does.
func (g *Gateway) withFast(t tor.Status) tor.Status {
	all := maps.Clone(t.Onions)
	if all == nil {
		all = make(map[string]tor.Descriptor)
	}
	maps.Copy(all, g.Fast.Status().Onions)
	t.Onions = all
	return t
}

// fastStatus is the state of the fast tor, nil if there is none.
func (g *Gateway) fastStatus(v view) *api.Tor {
	if len(v.desired.Fast.Onions) == 0 {
		return nil
	}
	t := torStatus(g.Fast.Status())
	return &t
}

// checkFastSnippet refuses bridges in torrc.d beside an onion that connects to
// relays directly.
func checkFastSnippet(c *config.Config, path, text string) error {
	i := slices.IndexFunc(c.Onions, func(o config.Onion) bool { return o.Fast })
	if i < 0 || errors.Join(tor.CheckBridgeSnippet(path, text)...) == nil {
		return nil
	}
	return fmt.Errorf("%s: bridges, beside the onion %s which is not anonymous and connects to relays directly: remove one of them", path, c.Onions[i].Name)
}
