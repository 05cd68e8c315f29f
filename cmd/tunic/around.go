package main

import (
	"context"

	"tunic/gateway"
	"tunic/rules/netfilter"
)

// Around implements gateway.Kernel.
func (kernel) Around(_ context.Context, household []string) (gateway.Around, error) {
	read, err := netfilter.LookAround(household)
	around := gateway.Around{Fast: read.Fast, Tors: otherTors("/proc"), Routers: neighbours(read.Routers),
		Ways: neighbours(read.Ways), Spoken: neighbours(read.Spoken)}
	for _, l := range read.Links {
		around.Links = append(around.Links, gateway.Link{Name: l.Name, Up: l.Up, Carrier: l.Carrier, Household: l.Household, Default: l.Default,
			Bridge: l.Bridge, Port: l.Port, Addresses: withNetworks(l.Interface), Hosts: l.Hosts})
	}
	for _, v := range read.Visits {
		around.Visits = append(around.Visits, gateway.Visit(v))
	}
	for _, f := range read.Firewalls {
		around.Others = append(around.Others, gateway.Firewall(f))
	}
	return around, err
}

func neighbours(read []netfilter.Neighbour) []gateway.Neighbour {
	list := make([]gateway.Neighbour, len(read))
	for i, n := range read {
		list[i] = gateway.Neighbour{MAC: n.MAC, Addr: n.Addr}
	}
	return list
}
