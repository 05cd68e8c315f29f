package networks

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/rules"
)

// Surroundings are the findings about the box's interfaces: whether what the
// configuration names is there, and what is there that it does not name.
func Surroundings(c *config.Config, around feature.Surroundings) []health.Finding {
	if len(around.Links) == 0 { // they could not be read
		return nil
	}
	return slices.Concat(missingInterfaces(c, around), badHousehold(c, around.Links), downLinks(c, around.Links),
		noUplink(around.Links), unnamed(c, around.Links), visitors(c, around))
}

func finding(code health.Code, subject, format string, args ...any) health.Finding {
	return health.New(code, subject, fmt.Sprintf(format, args...))
}

// missingInterfaces say what the box has instead. A household that is probably
// elsewhere is no box that waits for its adapter: nothing there is protected.
func missingInterfaces(c *config.Config, around feature.Surroundings) (list []health.Finding) {
	links := around.Links
	other := probably(c, links)
	underAnother := func(l feature.Link) bool { return l.Household && !slices.Contains(c.Household.Interfaces, l.Name) }
	for _, name := range c.Household.Interfaces {
		switch {
		case slices.ContainsFunc(links, func(l feature.Link) bool { return l.Name == name }):
		case slices.Contains(around.Renamed, name) && slices.ContainsFunc(links, underAnother):
			list = append(list, finding(health.InterfaceMissing, name, "the household interface %s has another name now: %s",
				name, inventory(links)))
		case other != "":
			list = append(list, finding(health.HouseholdElsewhere, name,
				"nobody is served: no interface %q on this box; it has: %s: the household's is probably %s", name, inventory(links), other))
		default:
			list = append(list, finding(health.InterfaceMissing, name, "no interface %q on this box; it has: %s", name, inventory(links)))
		}
	}
	return list
}

// probably is the interface that looks most like the household's.
func probably(c *config.Config, links []feature.Link) string {
	best, most := "", -1
	for _, l := range links {
		private := slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() && p.Addr().IsPrivate() })
		candidate := l.Up && !l.Default && !l.Port && !slices.Contains(c.Household.Interfaces, l.Name) // in our group too, from other days
		if candidate && private && l.Hosts > most && !slices.Contains(c.Gateway.OtherNetworks, l.Name) && !machines(l.Name) {
			best, most = l.Name, l.Hosts
		}
	}
	return best
}

// machines reports whether an interface is by its name one of containers, virtual
// machines or tunnels, which nobody lives behind.
func machines(name string) bool {
	made := []string{"docker", "br-", "veth", "virbr", "lxc", "lxd", "podman", "cni", "wg", "tun", "tap", "tailscale"}
	return slices.ContainsFunc(made, func(p string) bool { return strings.HasPrefix(name, p) && name != "br-lan" })
}

func inventory(links []feature.Link) string {
	var words []string
	for _, l := range links {
		if !l.Port && !strings.HasPrefix(l.Name, feature.ProbePrefix) {
			words = append(words, l.Words())
		}
	}
	return strings.Join(words, ", ")
}

// badHousehold is about household interfaces with a default route.
func badHousehold(c *config.Config, links []feature.Link) (list []health.Finding) {
	if name := feature.UplinkAsHousehold(c, links); name != "" {
		return append(list, finding(health.HouseholdUplink, name,
			"%s is this box's way to the internet (default route), not the household's; it has: %s", name, inventory(links)))
	}
	for _, l := range links {
		switch {
		case !l.Household || l.Port || c.Household.OneArm:
		case l.Default:
			list = append(list, finding(health.HouseholdRoute, l.Name, "a default route leads to the household interface %s: "+
				"another router there has given it to the box, or it is not the household's", l.Name))
		}
	}
	return list
}

// downLinks are about what is switched off or has no cable.
func downLinks(c *config.Config, links []feature.Link) (list []health.Finding) {
	for _, l := range links {
		switch {
		case !l.Household || l.Port:
		case !l.Up:
			list = append(list, finding(health.InterfaceDown, l.Name, "the household interface %s is switched off: `ip link set %s up`",
				l.Name, l.Name))
		case !l.Carrier:
			list = append(list, finding(health.NoCarrier, l.Name, "the household interface %s has no cable, or nobody is at its other end",
				l.Name))
		}
	}
	return list
}

// noUplink is about a box without any way out. An interface that is off or has no
// cable is likely the reason; its route may be there still.
func noUplink(links []feature.Link) []health.Finding {
	if slices.ContainsFunc(links, func(l feature.Link) bool { return l.Default && l.Up && l.Carrier }) {
		return nil
	}
	var off []string
	for _, l := range links {
		switch {
		case l.Household || l.Port || machines(l.Name):
		case !l.Up:
			off = append(off, l.Name+" is switched off")
		case !l.Carrier:
			off = append(off, l.Name+" has no cable")
		}
	}
	why := "no interface has a route to it"
	if len(off) > 0 {
		why += " (" + strings.Join(off, ", ") + ")"
	}
	return []health.Finding{finding(health.NoUplink, "", "no connection to the internet: %s", why)}
}

// unnamed are networks that nothing passes from, because nobody has named them.
func unnamed(c *config.Config, links []feature.Link) (list []health.Finding) {
	for _, l := range links {
		if l.Default && slices.Contains(c.Gateway.OtherNetworks, l.Name) {
			list = append(list, finding(health.NetworkIsUplink, l.Name,
				"%s is in other-networks, and is this box's way to the internet (default route): it is treated as that", l.Name))
		}
		if !l.Network() || len(l.Addresses) == 0 || strings.HasPrefix(l.Name, feature.ProbePrefix) ||
			slices.Contains(c.Gateway.OtherNetworks, l.Name) {
			continue
		}
		names := append(slices.Clone(c.Gateway.OtherNetworks), l.Name)
		list = append(list, finding(health.NetworkRefused, l.Name, "%s (%s) is named nowhere: what is there does not reach the internet, "+
			"and nothing new of it reaches this box; to let it, outside Tor, write in [gateway]: other-networks = [\"%s\"]",
			l.Name, listed(networks(l.Addresses)), strings.Join(names, `", "`)))
	}
	return list
}

func networks(addresses []netip.Prefix) (list []netip.Prefix) {
	for _, a := range addresses {
		if p := a.Masked(); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// visitors are about people who use a server of the box from where it is not
// reachable: what runs goes on, and the next time they are shut out.
func visitors(c *config.Config, around feature.Surroundings) (list []health.Finding) {
	for _, v := range around.Visits {
		i := config.Inbound{Protocol: rules.ProtocolTCP, Port: v.Port}
		if slices.Contains(c.Gateway.Inbound, i) || near(c, around.Links, v.From) {
			continue
		}
		list = append(list, finding(health.VisitorShutOut, v.From.String(),
			"%s is connected to port %d of this box, from outside the household: this connection goes on, a new one is refused; "+
				"to let it in, write in [gateway]: inbound = [\"%s\"]", v.From, v.Port, i))
	}
	return list
}

// near reports whether an address is one that reaches the box anyway.
func near(c *config.Config, links []feature.Link, a netip.Addr) bool {
	if a.IsLoopback() || a.IsLinkLocalUnicast() {
		return true
	}
	return slices.ContainsFunc(links, func(l feature.Link) bool {
		named := l.Household || slices.Contains(c.Household.Interfaces, l.Name) || slices.Contains(c.Gateway.OtherNetworks, l.Name)
		return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == a || named && p.Contains(a) })
	})
}

// RefuseUplink is an error for a configuration that gives the household's place to
// the way to the internet.
func RefuseUplink(c *config.Config, links []feature.Link) error {
	if name := feature.UplinkAsHousehold(c, links); name != "" {
		f := badHousehold(c, links)[0]
		return fmt.Errorf("%s\n    %s", f.Text, f.Action)
	}
	return nil
}
