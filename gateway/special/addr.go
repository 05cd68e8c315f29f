// Package special knows the addresses that are no place outside the house.
//
// Use it wherever an address that somebody else chose could lead into the house
// or into the box: answers of the DNS, what devices are let through to.
package special

import (
	"net/netip"
	"slices"
)

// prefixes are the addresses that mean something only in a house, on a
// link or in a machine (RFC 6890), and those that embed such an address.
var prefixes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("224.0.0.0/3"), // multicast and reserved
	netip.MustParsePrefix("::/32"),       // unspecified, loopback, IPv4 in several forms
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/32"), // Teredo
	netip.MustParsePrefix("2002::/16"), // 6to4
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/9"), // link-local and the old site-local
	netip.MustParsePrefix("ff00::/8"),
}

// Addr reports whether a is special, in any notation; so is what is no address.
func Addr(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return !a.IsValid() || slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}
