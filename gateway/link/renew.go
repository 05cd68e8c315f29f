package link

import "net/netip"

// Renew gives devices other identities towards tor, so that nothing they open
// from now on shares a circuit with what they had. It is answered with an
// Answer.
type Renew struct {
	ID      uint64
	Devices []netip.Addr // empty: all
}

func (Renew) kind() Kind { return kindRenew }
