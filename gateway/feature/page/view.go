package page

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/link"
)

// view is what somebody may see who is not logged in: how the caller's own device goes,
// and of all others how many.
func (f *Feature) view(ctx context.Context, q link.PageVisit) (link.PageView, error) {
	now := f.host.Now()
	devices, err := f.seen.get(ctx, now.Config, f.Devices.Devices)
	if err != nil {
		return link.PageView{}, err
	}
	status := api.Status{State: api.Closed, Household: api.Household{Devices: devices}}
	if now.Open {
		status.State = api.Open
	}
	short := status.Fridge()
	v := link.PageView{Open: short.Open, Inside: short.Inside, Direct: len(short.Direct), Blocked: len(short.Blocked),
		Policy: string(now.Config.Household.DefaultPolicy)}
	if i := slices.IndexFunc(devices, func(d api.Device) bool { return has(d, q.Device) }); i >= 0 {
		d := devices[i]
		v.Known, v.Name, v.Policy, v.Until, v.Then = true, d.Name, d.Policy, d.Until, d.Then
	}
	return v, nil
}

// seenFor is how old the devices may be of which a view tells.
const seenFor = time.Second

// seen keeps the household's devices for a moment: whoever loads the page without an
// end costs the daemon no more than one look around a second. A configuration that is
// in force since is looked at at once.
type seen struct {
	mu      sync.Mutex
	made    time.Time
	of      *config.Config
	devices []api.Device
}

func (s *seen) get(ctx context.Context, now *config.Config, look func(context.Context) ([]api.Device, error)) ([]api.Device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == now && !s.made.IsZero() && time.Since(s.made) < seenFor {
		return s.devices, nil
	}
	devices, err := look(ctx)
	if err == nil {
		s.made, s.of, s.devices = time.Now(), now, devices
	}
	return devices, err
}

// has reports whether an address is one of a device's.
func has(d api.Device, addr netip.Addr) bool {
	return slices.ContainsFunc(d.Addresses, func(text string) bool {
		a, err := netip.ParseAddr(text)
		return err == nil && a.WithZone("") == addr.Unmap().WithZone("")
	})
}
