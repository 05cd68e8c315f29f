package page

import (
	"context"
	"errors"

	"tunic/gateway/api"
	"tunic/gateway/feature"
)

// why explains a connection of a device's, or without a destination its usual ones. What the
// box itself sends is explained at the box.
func (f *Feature) why(ctx context.Context, r api.WhyRequest) ([]api.Why, error) {
	if r.Own || r.UID != 0 || r.Device == "" {
		return nil, feature.Usage(errors.New("which device?"), "what the box itself sends is explained by `tunic why --own` on the box")
	}
	requests := []api.WhyRequest{r}
	if r.To == "" {
		requests = api.Usual(r)
	}
	list := []api.Why{}
	for _, one := range requests {
		w, err := f.Devices.Why(ctx, one)
		if err != nil && len(list) > 0 && one.To == api.Somewhere6 {
			continue // no household address of that family
		}
		if err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}
