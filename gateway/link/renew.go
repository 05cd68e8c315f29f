package link

import "net/netip"

// Renewal gives devices other identities towards tor, so that nothing they open
// from now on shares a circuit with what they had.
type Renewal struct {
	Devices []netip.Addr // empty: all
}
