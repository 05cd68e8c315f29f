package bypass

import (
	"context"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// Bypasses lists what the configuration lets out past Tor.
func (f *Feature) Bypasses(context.Context) ([]api.Bypass, error) {
	now := f.host.Now()
	return List(now.Config, f.open()), nil
}

// open counts the addresses that each domain lets out now.
func (f *Feature) open() map[string]int {
	n := make(map[string]int)
	for _, what := range f.grants.current(time.Now()) {
		n[what.Domain]++
	}
	return n
}

// List describes the bypasses of a configuration; open are the addresses that
// each domain lets out now.
func List(c *config.Config, open map[string]int) []api.Bypass {
	list := []api.Bypass{}
	for _, b := range c.Bypasses {
		devices := b.Devices
		if devices == nil {
			devices = []string{}
		}
		for _, domain := range b.Domains {
			list = append(list, api.Bypass{To: domain, Devices: devices, Open: open[domain]})
		}
		for _, prefix := range b.Prefixes {
			list = append(list, api.Bypass{To: prefix.String(), Devices: devices})
		}
	}
	return list
}

// AddBypass lets devices reach a destination outside Tor from now on. With any
// mistake nothing has changed.
func (f *Feature) AddBypass(ctx context.Context, r api.BypassRequest) error {
	return f.change(ctx, r, false)
}

// RemoveBypass has a destination reached through Tor again.
func (f *Feature) RemoveBypass(ctx context.Context, r api.BypassRequest) error {
	return f.change(ctx, r, true)
}

func (f *Feature) change(ctx context.Context, r api.BypassRequest, remove bool) error {
	e, err := EditOf(r, remove)
	if err != nil {
		return feature.Usage(err, "")
	}
	return f.host.Edit(ctx, feature.Edit{
		Files: []string{f.paths.Main()},
		Write: func() error {
			if err := config.EditBypass(f.paths, e); err != nil {
				return feature.Usage(err, "nothing was changed")
			}
			return nil
		},
		Load:  true,
		Fault: feature.Faults([]health.Code{health.RulesFailed}),
	})
}

// EditOf checks the words of a request.
func EditOf(r api.BypassRequest, remove bool) (config.BypassEdit, error) {
	to, err := config.ParseBypassTo(r.To)
	return config.BypassEdit{To: to, Devices: r.Devices, Remove: remove}, err
}
