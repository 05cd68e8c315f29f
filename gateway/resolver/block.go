package resolver

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// blocked reports whether a public name does not exist for a device. What may not
// reach Tor has been answered before: no list can hide a name of the house.
func (h handler) blocked(s *state, device netip.Addr, name string) bool {
	if h.Blocked == nil || !h.Blocked(strings.TrimSuffix(dns.CanonicalName(name), ".")) {
		return false
	}
	mac := h.Devices.Of(device).MAC()
	if mac == "" && device.IsLoopback() {
		return false // the box itself
	}
	return !slices.Contains(s.config.Unblocked, mac)
}
