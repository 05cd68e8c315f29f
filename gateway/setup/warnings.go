package setup

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Warnings are what leads past the box, or may, and what to change there.
func Warnings(b Box, a Answers) (list []string) {
	for _, r := range b.Routers {
		list = append(list, fmt.Sprintf("%s says in your household that it is an IPv6 router: devices send past this box.\n"+
			"Switch its router advertisements (\"IPv6\" or \"IPv6 in the home network\") off.", r.Addr))
	}
	address := "this box's address"
	if own := b.own(a.Household); own.IsValid() {
		address = own.String()
	}
	switch {
	case a.OneArm:
		list = append(list, fmt.Sprintf("your router gives out addresses, and names itself as the way to the internet.\n"+
			"Only devices that have %s as gateway and DNS server pass this box.\n%s", address, routers(address)))
	case !b.DHCP:
		list = append(list, fmt.Sprintf("no DHCP server runs on this box.\nWhatever gives out addresses to your household has to name "+
			"%s as gateway and as DNS server\n(on this box: `sudo apt install dnsmasq`, see docs/setup.md).", address))
	}
	if b.Tor.Running && b.Tor.Edited {
		list = append(list, "Debian's own tor runs with a configuration of yours, and goes on.\nIts onions can move here: "+
			"`tunic import NAME DIRECTORY`; afterwards `systemctl disable --now tor@default tor`.")
	}
	return list
}

// own is the box's own IPv4 address in the household.
func (b Box) own(household []string) netip.Addr {
	for _, name := range household {
		l, _ := b.link(name)
		if i := slices.IndexFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() }); i >= 0 {
			return l.Addresses[i].Addr()
		}
	}
	return netip.Addr{}
}

// routers say where that is set on routers that many people have.
func routers(address string) string {
	return strings.Join([]string{
		"Where to set that:",
		"  OpenWrt:   Network > Interfaces > lan > DHCP Server > Advanced Settings: DHCP-Options 3," + address + " and 6," + address + ";",
		"             IPv6 Settings: RA-Service and DHCPv6-Service disabled",
		"  FRITZ!Box: it names no other gateway. Home Network > Network > Network Settings: DHCP server off,",
		"             and in IPv6 settings no router advertisements; run a DHCP server on this box (docs/setup.md)",
		"  others:    where the DHCP server's page has no field for the gateway, switch it off, and run one on this box",
	}, "\n")
}
