package feature

import (
	"fmt"
	"net/netip"
	"slices"

	"tunic/gateway/health"
	"tunic/rules"
)

// Unfit is a network on a household interface, or one that the configuration names,
// that cannot be the household's: no rule speaks of it, so whatever has an address in
// it is dropped, and the rest of the household is as it was.
type Unfit struct {
	Interface string // "": the configuration names it
	Prefix    netip.Prefix
	Why       string // a clause, such as "it is wider than /32"
}

// HomeNetworks are the networks of the household, masked and sorted: those on its
// interfaces' wires, and those that [household] prefixes names. What cannot be one is
// unfit. One that is too wide is not told where a part of it is named: that part is the
// household's. While no interface has an address nobody knows where the household is,
// and no name helps.
func (s Scene) HomeNetworks() (home []netip.Prefix, unfit []Unfit) {
	if !slices.ContainsFunc(s.Facts.Interfaces, func(i InterfaceFacts) bool { return len(i.Addresses) > 0 }) {
		return nil, nil
	}
	named := s.Config.Household.Prefixes
	for _, p := range named {
		if why := s.notNamed(p); why != "" {
			unfit = append(unfit, Unfit{Prefix: p, Why: why})
		} else {
			home = append(home, p)
		}
	}
	for _, i := range s.Facts.Interfaces {
		for _, a := range i.Addresses {
			p := a.Masked()
			switch why := s.notHome(p); {
			case why == "":
				home = append(home, p)
			case !slices.ContainsFunc(named, p.Overlaps):
				unfit = append(unfit, Unfit{i.Name, p, why})
			}
		}
	}
	slices.SortFunc(home, netip.Prefix.Compare)
	return slices.Compact(home), unfit
}

// notNamed says why a network that the configuration names is not the household's. In
// one-arm use what has no way of its own leaves by the household's interface for the
// internet, and a rule cannot tell the one from the other.
func (s Scene) notNamed(p netip.Prefix) string {
	if s.OneArm() {
		return "the household's interface leads to the internet too"
	}
	return s.notHome(p)
}

// notHome says what a network is that cannot be the household's; "" of one that can.
func (s Scene) notHome(p netip.Prefix) string {
	for _, v := range []netip.Prefix{s.Ranges.Virtual4, s.Ranges.Virtual6} {
		if v.IsValid() && v.Overlaps(p) {
			return fmt.Sprintf("onions have the addresses %v in this house", v)
		}
	}
	if why := rules.NotHome(p); why != "" {
		return "it is " + why
	}
	return ""
}

// Mixed are the household's interfaces on whose wire others are too, as on a mesh's, or
// may be: nobody knows of one that has no address yet what it will be.
func (s Scene) Mixed() (names []string) {
	for _, name := range s.Config.Household.Interfaces {
		wide := func(a netip.Prefix) bool { return rules.NotHome(a.Masked()) != "" }
		known := func(i InterfaceFacts) bool {
			return i.Name == name && len(i.Addresses) > 0 && !slices.ContainsFunc(i.Addresses, wide)
		}
		if !slices.ContainsFunc(s.Facts.Interfaces, known) {
			names = append(names, name)
		}
	}
	return names
}

// OneArm reports whether the household's interface is the way to the internet too, by
// the configuration or as it is now.
func (s Scene) OneArm() bool {
	return s.Config.Household.OneArm ||
		slices.ContainsFunc(s.Surroundings.Links, func(l Link) bool { return l.Household && l.Default })
}

// Finding tells of it.
func (u Unfit) Finding() health.Finding {
	return health.New(health.NetworkUnfit, u.subject(), u.String())
}

func (u Unfit) subject() string {
	if u.Interface != "" {
		return u.Interface
	}
	return u.Prefix.String()
}

// String is a sentence without its full stop.
func (u Unfit) String() string {
	where := "of [household] prefixes"
	if u.Interface != "" {
		where = "on the household interface " + u.Interface
	}
	return fmt.Sprintf("the network %v %s cannot be the household's, because %s: what comes from there is dropped", u.Prefix, where, u.Why)
}

// Unnamed are networks that the box reaches by a host of the household and that are
// not the household's, by the interface: what comes from there is dropped.
func (s Scene) Unnamed() (list []Unfit) {
	home, _ := s.HomeNetworks()
	for _, i := range s.Facts.Interfaces {
		for _, p := range i.Routed {
			if !slices.ContainsFunc(home, func(h netip.Prefix) bool { return h.Bits() <= p.Bits() && h.Contains(p.Addr()) }) {
				list = append(list, Unfit{Interface: i.Name, Prefix: p})
			}
		}
	}
	return list
}
