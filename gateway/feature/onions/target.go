package onions

import (
	"fmt"
	"net/netip"
	"slices"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/rules"
)

// shared is for networks between a provider and its customers (RFC 6598); VPNs
// such as Tailscale take addresses of it too.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// CheckTargets says which targets of onions are no services at home: hosts on
// the internet, to which the box would carry strangers in its own name. local
// are the prefixes of the box's interfaces and routes: where a provider gives
// public addresses, those at home are among them, and those that the household has
// named ([household] prefixes). A mesh as wide as yggdrasil's is
// nobody's home.
func CheckTargets(onions []config.Onion, local []netip.Prefix) []error {
	var errs []error
	for _, o := range onions {
		for _, p := range o.Ports {
			if a := p.Target.Addr.Addr(); a.IsValid() && onInternet(a, local) {
				errs = append(errs, fmt.Errorf("the onion %s, port %d: %s is on the internet, not at home", o.Name, p.Virtual, a))
			}
		}
	}
	return errs
}

func onInternet(a netip.Addr, local []netip.Prefix) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a) &&
		!slices.ContainsFunc(local, func(p netip.Prefix) bool { return rules.NotHome(p) == "" && p.Contains(a) })
}

// RefuseTargets is CheckTargets for an onion that is being published.
func RefuseTargets(o config.Onion, local []netip.Prefix) error {
	if errs := CheckTargets([]config.Onion{o}, local); len(errs) > 0 {
		return feature.Usage(errs[0], "an onion leads to a service on the LAN or on this box, such as 80=192.168.1.20:8080")
	}
	return nil
}
