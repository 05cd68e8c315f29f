package desire

import (
	"context"
	"fmt"
	"net/netip"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/feature"
	"tunic/rules"
)

// Kernel is what a plan has to know of the network.
type Kernel interface {
	Facts(ctx context.Context, interfaces []string) (feature.Facts, error)
	LocalPrefixes(ctx context.Context) ([]netip.Prefix, error)
	Surroundings(ctx context.Context, household []string) (feature.Surroundings, error)
}

// Plan is the plan when no daemon runs: all the rules of the open state.
// On a box where none ever ran, the virtual ranges in it are an example. in has
// the paths and the system users.
func Plan(ctx context.Context, k Kernel, features []feature.Feature, in Inputs) (api.Plan, error) {
	c, err := feature.Load(in.Paths)
	if err != nil {
		return api.Plan{}, err
	}
	if in.Facts, err = k.Facts(ctx, c.Household.Interfaces); err != nil {
		return api.Plan{}, fmt.Errorf("reading the network interfaces: %w", err)
	}
	local, err := k.LocalPrefixes(ctx)
	if err != nil {
		return api.Plan{}, fmt.Errorf("reading the local prefixes: %w", err)
	}
	if in.Ranges, _, err = box.FindRanges(in.Paths.StateFile(), local); err != nil {
		return api.Plan{}, err
	}
	if in.Surroundings, err = k.Surroundings(ctx, c.Household.Interfaces); err != nil {
		return api.Plan{}, err
	}
	in.Config, in.Mode = c, rules.Open
	in.Foresee(ctx, features)
	changes, err := feature.Diff(feature.Desired{}, State(in))
	return api.Plan{Changes: append([]string{}, changes...)}, err
}
