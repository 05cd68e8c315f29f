package gateway

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/health"
)

// lookAround reads what is around. That it cannot look closes nothing: the rules
// then know of no more than the configuration.
func (a *attempt) lookAround(ctx context.Context) {
	around, err := a.Kernel.Around(ctx, a.in.Config.Household.Interfaces)
	if err != nil {
		a.Log.Debug("looking around failed", "error", err)
	}
	a.in.Around = around
}

// tellAround makes findings of it.
func (a *attempt) tellAround() {
	around := a.in.Around
	a.findings = append(a.findings, Surroundings(a.in.Config, around)...)
	a.findings = append(a.findings, firewallFindings(a.in.Config, around.Others)...)
	a.tellRouters(around)
	spoken := byMAC(around.Spoken)
	for _, mac := range slices.Sorted(maps.Keys(spoken)) {
		addrs := spoken[mac]
		if p := policyOf(a.in.Config, mac); len(addrs) > 1 && (p == config.PolicyDirect || p == config.PolicyOnion) {
			a.find(health.AddressShared, nameOf(a.in.Config, mac), "%s, which may go out directly (policy = %s), has the addresses %s at once: another device may have taken its hardware address", nameOf(a.in.Config, mac), p, listed(addrs))
		}
	}
	if a.in.Config.Gateway.OwnTraffic == config.OwnTor {
		for _, user := range around.Tors {
			a.find(health.TorTwice, user, "another tor runs on this box, as the user %s: its connections go through tunic's tor, Tor in Tor, which is slow and hides nothing more", user)
		}
	}
	for _, what := range around.Fast {
		a.find(health.FastPath, "", "packets of connections that are let through once can pass the rules by %s", what)
	}
}

// tellRouters is about others in the household who say that they are routers. Beside
// the router its own one is there, and has to be; devices may still take it.
func (a *attempt) tellRouters(around Around) {
	routers, ways := byMAC(around.Routers), byMAC(around.Ways)
	for _, mac := range slices.Sorted(maps.Keys(routers)) {
		code, words := health.OtherRouter, "%s (%s) says that it is a router"
		if a.in.Config.Household.OneArm && ways[mac] != nil {
			code, words = health.RouterBeside, "%s (%s) is the router by which this box reaches the internet, and devices can reach it too"
		}
		a.find(code, nameOf(a.in.Config, mac), words, nameOf(a.in.Config, mac), listed(routers[mac]))
	}
}

// byMAC sorts addresses by hardware address.
func byMAC(list []Neighbour) map[string][]netip.Addr {
	of := make(map[string][]netip.Addr)
	for _, n := range list {
		of[n.MAC] = append(of[n.MAC], n.Addr)
	}
	return of
}

func policyOf(c *config.Config, mac string) config.Policy {
	for _, d := range c.Devices {
		if d.MAC == mac {
			return d.Policy
		}
	}
	return c.Household.DefaultPolicy
}

func listed[T fmt.Stringer](list []T) string {
	var text []string
	for _, v := range list {
		text = append(text, v.String())
	}
	slices.Sort(text)
	return strings.Join(text, ", ")
}

// cleartextKept is how long a dial of such a port is told.
const cleartextKept = 24 * time.Hour

// cleartextFindings tells which ports that carry passwords in clear were
// dialled through Tor.
func cleartextFindings(seen map[uint16]time.Time, now time.Time) []health.Finding {
	var ports []string
	for _, port := range slices.Sorted(maps.Keys(seen)) {
		if now.Sub(seen[port]) < cleartextKept {
			ports = append(ports, fmt.Sprint(port))
		}
	}
	if len(ports) == 0 {
		return nil
	}
	return []health.Finding{health.New(health.CleartextPort, "",
		"somebody in the household uses services that send passwords in clear, which the exit can read: port "+strings.Join(ports, ", "))}
}
