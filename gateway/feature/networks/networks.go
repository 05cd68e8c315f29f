// Package networks is about what there is around the box: the household's
// interfaces and others, what passes from there because it is named, other
// routers, and ways past the rules.
package networks

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/rules"
)

// Feature keeps nothing between passes.
type Feature struct{}

var (
	_ feature.Feature  = Feature{}
	_ feature.Checker  = Feature{}
	_ feature.Reporter = Feature{}
)

// Name implements feature.Feature.
func (Feature) Name() string { return "networks" }

// Check implements feature.Checker: it refuses a configuration that gives the
// household's place to the way to the internet.
func (Feature) Check(_ context.Context, s feature.Scene) error {
	return RefuseUplink(s.Config, s.Surroundings.Links)
}

// Look implements feature.Feature. That nothing could be seen closes nothing: the
// rules then know of no more than the configuration.
func (Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	c, around := s.Config, s.Surroundings
	r.Findings = append(r.Findings, Surroundings(c, around)...)
	r.Findings = append(r.Findings, firewallFindings(c, around.Others)...)
	tellNetworks(s, r)
	tellRouters(c, around, r)
	tellShared(c, around, r)
	if c.Gateway.OwnTraffic == config.OwnTor {
		for _, user := range around.Tors {
			r.Find(health.TorTwice, user, "another tor runs on this box, as the user %s: its connections go through tunic's tor, "+
				"Tor in Tor, which is slow and hides nothing more", user)
		}
	}
	for _, what := range around.Fast {
		r.Find(health.FastPath, "", "packets of connections that are let through once can pass the rules by %s", what)
	}
	return feature.Always(want)
}

// Report implements feature.Reporter: what leaves the box outside Tor.
func (Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	status.Leaks = append(status.Leaks, exceptions(s.Written)...)
}

// exceptions lists, in words, what leaves the box outside Tor because the
// owner said so.
func exceptions(c *config.Config) (list []string) {
	for _, server := range c.Gateway.NTPServers {
		list = append(list, fmt.Sprintf("the box asks %s for the time (ntp-servers)", server))
	}
	for _, e := range c.Gateway.Exceptions {
		list = append(list, fmt.Sprintf("the box sends %s (exceptions)", e))
	}
	for _, name := range c.Gateway.OtherNetworks {
		list = append(list, fmt.Sprintf("what is behind %s (other-networks)", name))
	}
	if c.Gateway.OwnTraffic == config.OwnDirect {
		list = append(list, "the box's own connections (own-traffic = direct)")
	}
	return list
}

// tellNetworks is about networks that are not the household's and may be meant to be.
func tellNetworks(s *feature.Scene, r *feature.Report) {
	_, unfit := s.HomeNetworks()
	for _, u := range unfit {
		r.Findings = append(r.Findings, u.Finding())
	}
	for _, u := range s.Unnamed() {
		r.Find(health.NetworkUnnamed, u.Prefix.String(), "the network %v, which this box reaches by a host on %s, is not the household's: "+
			"what comes from there is dropped", u.Prefix, u.Interface)
	}
}

// tellShared is about hardware addresses that two devices may have.
func tellShared(c *config.Config, around feature.Surroundings, r *feature.Report) {
	spoken := byMAC(around.Spoken)
	for _, mac := range slices.Sorted(maps.Keys(spoken)) {
		addrs := spoken[mac]
		if p := c.PolicyOf(mac); len(addrs) > 1 && (p == config.PolicyDirect || p == config.PolicyOnion) {
			r.Find(health.AddressShared, c.NameOf(mac), "%s, which may go out directly (policy = %s), has the addresses %s at once: "+
				"another device may have taken its hardware address", c.NameOf(mac), p, listed(addrs))
		}
	}
}

// tellRouters is about others in the household who say that they are routers. Beside
// the router its own one is there, and has to be; devices may still take it.
func tellRouters(c *config.Config, around feature.Surroundings, r *feature.Report) {
	routers, ways := byMAC(around.Routers), byMAC(around.Ways)
	for _, mac := range slices.Sorted(maps.Keys(routers)) {
		code, words := health.OtherRouter, "%s (%s) says that it is a router"
		if c.Household.OneArm && ways[mac] != nil {
			code, words = health.RouterBeside, "%s (%s) is the router by which this box reaches the internet, and devices can reach it too"
		}
		r.Find(code, c.NameOf(mac), words, c.NameOf(mac), listed(routers[mac]))
	}
}

// byMAC sorts addresses by hardware address.
func byMAC(list []feature.Neighbour) map[string][]netip.Addr {
	of := make(map[string][]netip.Addr)
	for _, n := range list {
		of[n.MAC] = append(of[n.MAC], n.Addr)
	}
	return of
}

func listed[T fmt.Stringer](list []T) string {
	var text []string
	for _, v := range list {
		text = append(text, v.String())
	}
	slices.Sort(text)
	return strings.Join(text, ", ")
}

// want lets pass what is named beside the household. A network that leads to the
// internet is none, whatever it is called, and a household interface that does is
// judged by sources.
func want(s feature.Scene, d *feature.Desired) {
	r := &d.Rules
	leads := func(name string) bool {
		return slices.ContainsFunc(s.Surroundings.Links, func(l feature.Link) bool { return l.Name == name && l.Default })
	}
	r.OneArm = s.OneArm()
	for _, name := range s.Config.Gateway.OtherNetworks {
		if !leads(name) {
			r.Others = append(r.Others, name)
		}
	}
	for _, i := range s.Config.Gateway.Inbound {
		r.Inbound = append(r.Inbound, rules.Inbound(i))
	}
	for _, l := range s.Surroundings.Links {
		if l.Bridge && !l.Household && !l.Default && !l.Port {
			r.Bridges = append(r.Bridges, l.Name)
		}
	}
}
