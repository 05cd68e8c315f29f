package feature

import (
	"net/netip"
	"slices"
)

// Ranges are the virtual addresses that tor maps to onions. They are chosen
// once for a box, apart from every prefix it knows of, and kept: devices
// remember addresses.
type Ranges struct {
	Virtual4 netip.Prefix `json:"virtual4"` // a /16
	Virtual6 netip.Prefix `json:"virtual6"` // a /48 of fd00::/8 (RFC 4193)
}

// Overlap returns a local prefix that lies in one of the ranges, if there is one.
func (r Ranges) Overlap(local []netip.Prefix) (netip.Prefix, bool) {
	i := slices.IndexFunc(local, func(p netip.Prefix) bool {
		return p.Bits() > 0 && (r.Virtual4.Overlaps(p) || r.Virtual6.Overlaps(p))
	})
	if i < 0 {
		return netip.Prefix{}, false
	}
	return local[i], true
}
