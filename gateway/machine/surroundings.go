package machine

import (
	"context"
	"time"

	"tunic/gateway/feature"
	"tunic/rules/netfilter"
)

// Surroundings implements gateway.Kernel.
func (k Kernel) Surroundings(_ context.Context, household []string) (feature.Surroundings, error) {
	read, err := netfilter.ReadSurroundings(household)
	if k.seen == nil {
		k.seen = newProcesses("/proc")
	}
	around := feature.Surroundings{Fast: read.Fast, Serves: read.Serves, Tors: k.seen.otherTors(time.Now()),
		Routers: neighbours(read.Routers), Ways: neighbours(read.Ways), Spoken: neighbours(read.Spoken)}
	for _, l := range read.Links {
		around.Links = append(around.Links, feature.Link{Name: l.Name, Up: l.Up, Carrier: l.Carrier, Household: l.Household,
			Default: l.Default, Bridge: l.Bridge, Port: l.Port, Addresses: withNetworks(l.Interface), Hosts: l.Hosts})
	}
	for _, v := range read.Visits {
		around.Visits = append(around.Visits, feature.Visit(v))
	}
	for _, f := range read.Firewalls {
		around.Others = append(around.Others, feature.Firewall(f))
	}
	return around, err
}

func neighbours(read []netfilter.Neighbour) []feature.Neighbour {
	list := make([]feature.Neighbour, len(read))
	for i, n := range read {
		list[i] = feature.Neighbour{MAC: n.MAC, Addr: n.Addr}
	}
	return list
}
