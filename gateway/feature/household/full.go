package household

import (
	"cmp"
	"fmt"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/health"
	"tunic/gateway/tor"
)

// fullFindings name the devices that have all connections through Tor that they
// may have, by their hardware addresses.
func fullFindings(full []string, devices []api.Device) []health.Finding {
	var list []health.Finding
	for _, mac := range full {
		name := mac
		if i := slices.IndexFunc(devices, func(d api.Device) bool { return d.MAC == mac }); i >= 0 {
			name = cmp.Or(devices[i].Name, mac)
		}
		list = append(list, health.New(health.DeviceFull, name,
			fmt.Sprintf("the device %s wants more connections through Tor than the %d, by %d of its addresses, "+
				"that a device may have at a time: it gets none until some have ended",
				name, tor.DeviceStreams, tor.DeviceAddresses)))
	}
	return list
}
