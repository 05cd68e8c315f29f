package onions

import (
	"fmt"
	"slices"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/tor"
)

// describe lists every onion, published or not, with keys or without.
func (f *Feature) describe(s feature.Scene) []api.Onion {
	f.probes.saw(s.Served)
	published, onions := f.all(s.TorNow), s.Config.AllOnions()
	list := make([]api.Onion, 0, len(onions))
	for _, o := range onions {
		d := published[string(s.Addresses[o.Name])]
		one := describeOnion(s, o, d)
		one.Old = f.formerOf(s, o, published)
		f.probes.describe(&one, d)
		list = append(list, one)
	}
	return list
}

// describeOnion is the status of an onion as the scene has it; d is what tor has
// published of it.
func describeOnion(s feature.Scene, o config.Onion, d tor.Descriptor) api.Onion {
	one := api.Onion{Name: o.Name, Anonymous: !o.Fast, Private: o.Restricted(), Clients: whoFinds(s, o),
		Uploads: d.Uploads, Published: d.Out && s.Config.Published(o), Ports: make([]api.Port, 0, len(o.Ports))}
	one.As = o.As
	if address, ok := s.Addresses[o.Name]; ok {
		one.Address = address.Host()
	}
	if !d.At.IsZero() {
		one.UploadedAt = &d.At
	}
	var front link.FrontStatus
	if i := slices.IndexFunc(s.Served.Fronts, func(f link.FrontStatus) bool { return f.Onion == o.Name }); i >= 0 {
		front = s.Served.Fronts[i]
	}
	one.Streams, one.Active, one.Turned = front.Streams, front.Active, front.Refused
	for _, p := range o.Ports {
		port := api.Port{Port: p.Virtual, Target: p.Target.String()}
		port.Reachable, port.Error = portStatus(front, p)
		if !s.Brief { // no finding has it
			port.Protocol, _ = s.Config.ProbeFor(o, p.Virtual)
		}
		one.Ports = append(one.Ports, port)
	}
	return one
}

// whoFinds lists who may find a private onion. A status of which findings alone are read has one without
// a name for all of them.
func whoFinds(s feature.Scene, o config.Onion) []api.OnionClient {
	switch {
	case !s.Brief:
		list := clients(s.Config, o)
		return append(list, invited(s.Config, o, list)...)
	case o.Restricted() && s.Config.Findable(o):
		return make([]api.OnionClient, 1)
	}
	return nil
}

// formerOf lists the addresses that an onion had and that still lead to it.
func (f *Feature) formerOf(s feature.Scene, o config.Onion, published map[string]tor.Descriptor) (list []api.OldAddress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, old := range f.old {
		if old.Onion == o.Name && s.Config.Published(o) {
			list = append(list, api.OldAddress{Address: old.Address.Host(), Until: old.Until,
				Published: published[string(old.Address)].Out})
		}
	}
	return list
}

// findings are what a look at the status of the onions finds.
func findings(onions []api.Onion) []health.Finding {
	var list []health.Finding
	for _, o := range onions {
		if o.Findable() && !o.Published && o.Key {
			list = append(list, health.New(health.OnionNotPublished, o.Name, fmt.Sprintf("the onion %s is not published yet", o.Name)))
		}
	}
	return slices.Concat(list, reachFindings(onions), targetFindings(onions))
}

// portStatus is what serve saw of a target: nothing at all while nobody has
// asked it.
func portStatus(f link.FrontStatus, p config.Port) (bool, string) {
	for _, st := range f.Ports {
		if st.Virtual == p.Virtual {
			return st.Reachable, st.Error
		}
	}
	return false, ""
}

// targetFindings say which targets serve could not reach.
func targetFindings(onions []api.Onion) []health.Finding {
	var list []health.Finding
	for _, o := range onions {
		for _, p := range o.Ports {
			if o.Findable() && p.Down() {
				list = append(list, health.New(health.TargetUnreachable, o.Name,
					fmt.Sprintf("the onion %s, port %d: %s does not answer (%s)", o.Name, p.Port, p.Target, p.Error)))
			}
		}
	}
	return list
}
