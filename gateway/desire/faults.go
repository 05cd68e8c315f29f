package desire

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/rules"
)

// Faults say what of a configuration the rules cannot do: networks that cannot be the
// household's, and unmade, what else keeps rules.Compile from making them (nil: nothing). The box lives with
// the former, which are left out, but nobody wants them.
func Faults(in Inputs, unmade error) (list []error) {
	_, unfit := in.HomeNetworks()
	for _, u := range unfit {
		list = append(list, &unfitError{u})
	}
	if unmade != nil {
		list = append(list, unmade)
	}
	return list
}

// CheckRules are the faults of a configuration for who asks no daemon. facts and
// surroundings are what this box is like now; ranges that are not known yet are an
// example's.
func CheckRules(ctx context.Context, features []feature.Feature, s feature.Scene) []error {
	user := feature.IDs{UID: 1, GID: 1}
	s.Paths, s.Mode = config.NewPaths(nowhere), rules.Open
	s.ChildIDs = feature.ChildIDs{Tor: user, Serve: user, Mail: user, XMPP: user, IRC: user}
	if !s.Ranges.Virtual4.IsValid() {
		s.Ranges = exampleRanges
	}
	in := Inputs{Scene: s}
	in.Foresee(ctx, features)
	_, unmade := rules.Compile(State(in).Rules)
	return Faults(in, unmade)
}

// Worse are the faults that were not there before: rules that could not be
// made before excuse all that cannot be made now.
func Worse(before, now []error) []error {
	return slices.DeleteFunc(now, func(err error) bool {
		_, unfit := errors.AsType[*unfitError](err)
		return slices.ContainsFunc(before, func(was error) bool {
			_, wasUnfit := errors.AsType[*unfitError](was)
			return unfit == wasUnfit && (!unfit || was.Error() == err.Error())
		})
	})
}

// unfitError is a network that cannot be the household's.
type unfitError struct{ feature.Unfit }

func (e *unfitError) Error() string {
	return fmt.Sprintf("%s; name the hosts or the network there that are the household's in [household] prefixes", e.Unfit)
}
