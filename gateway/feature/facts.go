package feature

import (
	"net/netip"

	"tunic/gateway/relaytime"
)

// IDs are a system user's numbers.
type IDs struct {
	UID, GID uint32
}

// Facts are what the box is like at a moment, as far as the plan depends on it.
type Facts struct {
	Interfaces []InterfaceFacts // one for each configured household interface, in their order
	Forwarding bool             // net.ipv4.ip_forward
	IPv6       bool             // the kernel speaks IPv6

	ClockSynchronised bool            // the kernel says that something keeps its clock (adjtimex(2))
	RelayTime         *relaytime.Note // what relays say it is; nil: nothing that is new enough
}

// InterfaceFacts is one household interface.
type InterfaceFacts struct {
	Name      string
	Index     int            // 0: it did not exist yet
	Missing   bool           // it does not exist under this name now; the rest is what it was
	Addresses []netip.Prefix // the box's own addresses with their on-link prefixes, without link-local ones
	Routed    []netip.Prefix // networks that the box reaches by hosts there, without those of half of the internet or more
}

// Neighbour is a device in the kernel's neighbour table.
type Neighbour struct {
	MAC  string
	Addr netip.Addr
}

// Alone is the network of one address.
func Alone(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()) }
