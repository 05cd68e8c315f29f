package why

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/rules"
)

// behind fills in where a packet comes from whose source is on no wire of the
// household's: in a mesh on one of its interfaces, or behind a device. The kernel may
// know the latter's hardware address for it. ok is false of an address elsewhere.
func (x Explainer) behind(ctx context.Context, now feature.Now, f rules.Flow, a netip.Addr) (_ rules.Flow, why api.Why, ok bool,
	err error) {
	iface, by, err := x.System.Via(a)
	if err != nil || !slices.Contains(now.Config.Household.Interfaces, iface) {
		return f, why, false, nil
	}
	in := func(list []netip.Prefix) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	home, _ := now.HomeNetworks()
	switch {
	case !in(home):
		hint := fmt.Sprintf("if it is the household's, write prefixes = [%q] below [household] in tunic.toml and run `tunic reload`",
			networkOf(now, a))
		return f, why, false, feature.Usage(fmt.Errorf("%v, which the box reaches by %s, is not of the household: what comes from there "+
			"is dropped", a, iface), hint)
	case !in(now.Config.Household.Prefixes): // on a wire, where devices are known or are not there
		return f, why, false, nil
	}
	f.From, f.In = a, iface
	why.From, why.Policy = fmt.Sprintf("%v on %s", a, iface), string(now.Config.Household.DefaultPolicy)
	if by.IsValid() {
		if d, err := x.Finder.Find(ctx, by.String()); err == nil {
			f.MAC, why.Policy = d.MAC, d.Policy
			why.From = fmt.Sprintf("%v behind %s", a, cmp.Or(d.Name, d.MAC))
		}
	}
	return f, why, true, nil
}

// networkOf is the network to name for an address: that of a route, else itself.
func networkOf(now feature.Now, a netip.Addr) string {
	for _, u := range now.Unnamed() {
		if u.Prefix.Contains(a) {
			return u.Prefix.String()
		}
	}
	return feature.Alone(a).String()
}
