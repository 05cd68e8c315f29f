package main

import (
	"context"

	"tunic/gateway"
	"tunic/rules/netfilter"
)

// Around implements gateway.Kernel.
func (kernel) Around(_ context.Context, household []string) (gateway.Around, error) {
	read, err := netfilter.LookAround(household)
	around := gateway.Around{Fast: read.Fast, Tors: otherTors("/proc"), Routers: neighbours(read.Routers), Spoken: neighbours(read.Spoken)}
	for _, i := range read.Networks {
		around.Networks = append(around.Networks, gateway.Network{Interface: i.Name, Prefixes: i.Prefixes})
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
