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

// behind is flow for an address that is no device's: of a mesh on a household interface,
// or behind a device. unknown is what is said of any other.
func (x Explainer) behind(ctx context.Context, now feature.Now, f rules.Flow, why api.Why, a netip.Addr, unknown error) (
	rules.Flow, api.Why, error) {
	iface, by, err := x.System.Via(a)
	if err != nil || !slices.Contains(now.Config.Household.Interfaces, iface) {
		return f, why, unknown
	}
	home, _ := now.HomeNetworks()
	if !slices.ContainsFunc(home, func(p netip.Prefix) bool { return p.Contains(a) }) {
		hint := fmt.Sprintf("if it is the household's, write prefixes = [%q] below [household] in tunic.toml and run `tunic reload`",
			networkOf(now, a))
		return f, why, feature.Usage(fmt.Errorf("%v, which the box reaches by %s, is not of the household: what comes from there is "+
			"dropped", a, iface), hint)
	}
	f.From, f.In = a, iface
	why.From, why.Policy = fmt.Sprintf("%v on %s", a, iface), string(now.Config.Household.DefaultPolicy)
	if d, err := x.Finder.Find(ctx, by.String()); by.IsValid() && err == nil {
		f.MAC, why.Policy = d.MAC, d.Policy
		why.From = fmt.Sprintf("%v behind %s", a, cmp.Or(d.Name, d.MAC))
	}
	return f, why, nil
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
