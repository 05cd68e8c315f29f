package page

import (
	"context"
	"net/netip"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/link"
)

// view is what somebody may see who is not logged in: how the caller's own device goes,
// and of all others how many.
func (f *Feature) view(ctx context.Context, q link.PageVisit) (link.PageView, error) {
	now := f.host.Now()
	devices, err := f.Devices.Devices(ctx)
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

// has reports whether an address is one of a device's.
func has(d api.Device, addr netip.Addr) bool {
	return slices.ContainsFunc(d.Addresses, func(text string) bool {
		a, err := netip.ParseAddr(text)
		return err == nil && a.WithZone("") == addr.Unmap().WithZone("")
	})
}
