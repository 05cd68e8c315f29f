package household

import (
	"context"
	"net/netip"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
)

// hosts are where the devices are that onions lead to by name: one that has a file
// with the name, else one that gives it to the DHCP server. A name that two
// devices give themselves is nobody's.
func (f *Feature) hosts(ctx context.Context, c *config.Config) map[string][]netip.Addr {
	wanted := c.TargetHosts()
	if len(wanted) == 0 {
		return nil
	}
	found := make(map[string][]netip.Addr)
	for _, d := range f.devices(ctx, c) {
		if addrs := hostAddrs(d); slices.Contains(wanted, d.Name) && len(addrs) > 0 {
			found[d.Name] = addrs
		}
	}
	return found
}

// hostAddrs are the addresses by which a device can be dialled, IPv4 first.
func hostAddrs(d api.Device) (list []netip.Addr) {
	for _, text := range d.Addresses {
		if a, err := netip.ParseAddr(text); err == nil && !a.IsLinkLocalUnicast() {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}
