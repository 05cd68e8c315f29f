package household

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/feature"
)

// maxProbe bounds a leak test.
const maxProbe = 5 * time.Minute

// Probe treats an interface of the leak test as one of the household's for a
// while, where the household has no bridge that it could join. Everything that
// holds for the household's other interfaces then holds for it: that only
// adds refusals.
func (f *Feature) Probe(ctx context.Context, r api.ProbeRequest) error {
	if !strings.HasPrefix(r.Interface, feature.ProbePrefix) {
		return feature.Usage(fmt.Errorf("%q is no interface of the leak test", r.Interface), "see `tunic leaktest --help`")
	}
	if r.For < 0 || r.For > maxProbe {
		return feature.Usage(fmt.Errorf("%s is no time for a leak test: at most %s", r.For, maxProbe), "")
	}
	if r.For == 0 {
		return f.forAWhile(ctx, func(t *temporary) { t.endProbe(r.Interface) })
	}
	p := probeInterface{name: r.Interface, Span: feature.NewSpan(f.temporary.now(), r.For)}
	if err := f.forAWhile(ctx, func(t *temporary) { t.setProbe(p) }); err != nil {
		return err
	}
	if !slices.Contains(f.host.Now().Desired.Rules.Interfaces, r.Interface) {
		return errors.New("the rules could not be extended to the leak test's interface: see `tunic status`")
	}
	return nil
}
