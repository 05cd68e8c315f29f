package onions

import (
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// expand turns what a profile allows to be left out into PORT=TARGET.
func expand(p config.Paths, r api.PublishRequest) (api.PublishRequest, error) {
	if r.As == "" {
		return r, nil
	}
	list, err := config.LoadProfiles(p)
	if err != nil {
		return r, feature.Usage(err, "nothing was changed")
	}
	profile, err := config.FindProfile(list, r.As)
	if err != nil {
		return r, feature.Usage(err, "")
	}
	r.Ports = slices.Clone(r.Ports)
	for i, where := range r.Ports {
		r.Ports[i] = profile.PortTarget(where)
	}
	return r, nil
}
