package gateway

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/supervise"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Inputs are all that the desired state is a function of.
type Inputs struct {
	feature.Scene
	Wishes  []feature.Wish // of the features, in their order
	Self    Self
	Friends Friends
}

// circuitStreams is how many streams a visitor may have at one time on one
// circuit before tor closes it: four times what the front serves, so that only
// who does not stop when refused loses the circuit.
const circuitStreams = 512

// desire maps the configuration to the desired state. It is pure.
func desire(in Inputs) Desired {
	d := Desired{Tor: torSpec(in), Fast: fastSpec(in), Rules: ownRules(in)}
	d.Serve.TorUID = in.Tor.UID
	addFronts(&d, in)
	addPeers(&d, in)
	addNames(&d, in)
	for _, want := range in.Wishes {
		want(in.Scene, &d)
	}
	return d
}

// look has each feature look.
func (in *Inputs) look(ctx context.Context, features []feature.Feature, r *feature.Report) {
	in.Wishes = make([]feature.Wish, len(features))
	for i, f := range features {
		in.Wishes[i] = f.Look(ctx, &in.Scene, r)
	}
}

// foresee has features look at a scene that is not there: nothing is written or
// told for it.
func (in *Inputs) foresee(ctx context.Context, features []feature.Feature) {
	in.Foreseen, in.Certain = true, time.Time{}
	in.look(ctx, features, new(feature.Report))
}

// onions are the configured onions that have keys and are published, with the
// endpoints' ports added to home, which exists without a file too.
func onions(in Inputs) []config.Onion {
	var list []config.Onion
	for _, o := range in.Config.AllOnions() {
		if _, ok := in.Addresses[o.Name]; ok && in.Config.Published(o) {
			list = append(list, o)
		}
	}
	return list
}

// clientKeys are the keys of those who may find an onion, nil for everybody.
func clientKeys(c *config.Config, o config.Onion) []onion.ClientKey {
	keys := c.ClientKeys(o)
	if keys == nil {
		return nil
	}
	list := make([]onion.ClientKey, len(keys))
	for i, k := range keys {
		list[i] = onion.ClientKey(k)
	}
	return list
}

func torSpec(in Inputs) tor.Spec {
	spec := tor.Spec{
		Binary:    in.Config.Tor.Binary,
		UID:       in.Tor.UID,
		GID:       in.Tor.GID,
		DataDir:   in.Paths.TorData(),
		RunDir:    in.Paths.TorRun(),
		Torrc:     in.Paths.Torrc(),
		TransPort: config.TransPort,
		SocksPort: config.SocksPort,
		DNSPort:   config.DNSPort,
		NoIPv6:    !in.Facts.IPv6,
		Virtual4:  in.Ranges.Virtual4,
		Virtual6:  in.Ranges.Virtual6,
	}
	spec.Onions, spec.Snippets = torOnions(in, false), torSnippets(in.Config)
	visit(&spec, in)
	return spec
}

// fastSpec is the tor for onions that are not anonymous, which has no other use
// and no port.
func fastSpec(in Inputs) tor.Spec {
	return tor.Spec{
		Binary:    in.Config.Tor.Binary,
		UID:       in.Tor.UID,
		GID:       in.Tor.GID,
		DataDir:   in.Paths.FastData(),
		RunDir:    in.Paths.FastRun(),
		Torrc:     in.Paths.FastTorrc(),
		SingleHop: true,
		Onions:    torOnions(in, true),
		Snippets:  torSnippets(in.Config),
	}
}

// torOnions are the onions of one of the two tors, with the addresses that they
// had before.
func torOnions(in Inputs, fast bool) (list []tor.Onion) {
	for _, o := range onions(in) {
		if o.Fast != fast {
			continue
		}
		t := tor.Onion{Name: o.Name, Address: string(in.Addresses[o.Name]), Dir: in.Paths.OnionKeys(o.Name), Socket: in.Paths.Front(o.Name),
			MaxStreams: circuitStreams, Clients: withSelf(clientKeys(in.Config, o), in.Self)}
		for _, p := range o.Ports {
			t.Ports = append(t.Ports, p.Virtual)
		}
		list = append(list, t)
		for _, old := range in.Former[o.Name] { // the same front serves both
			t.Address, t.Dir = string(old), in.Paths.RetiredKeys(o.Name, string(old))
			list = append(list, t)
		}
	}
	return list
}

func torSnippets(c *config.Config) (list []tor.Snippet) {
	for _, s := range c.Torrc {
		list = append(list, tor.Snippet{File: s.File, Text: s.Text})
	}
	return list
}

// ruleInput is the part of the desired state that the packet filter is made of.
func ruleInput(in Inputs) rules.Input { return desire(in).Rules }

// ownRules are the rules as far as no feature adds to them.
func ownRules(in Inputs) rules.Input {
	c := in.Config
	r := rules.Input{
		Mode:       in.Mode,
		Interfaces: c.Household.Interfaces,
		Group:      in.Group,
		Default:    rulePolicy(c.Household.DefaultPolicy),
		Carriers:   []rules.Carrier{{UID: in.Tor.UID, TransPort: config.TransPort, DNSPort: config.DNSPort}},
		Children:   childRules(in),
		OwnTor:     c.Gateway.OwnTraffic == config.OwnTor,
		Streams:    tor.DeviceStreams,
		Full:       in.TorNow.Full,
		Virtual4:   in.Ranges.Virtual4,
		Virtual6:   in.Ranges.Virtual6,
	}
	for _, i := range in.Facts.Interfaces {
		for _, a := range i.Addresses {
			if p := a.Masked(); !slices.Contains(r.Prefixes, p) {
				r.Prefixes = append(r.Prefixes, p)
			}
		}
	}
	slices.SortFunc(r.Prefixes, netip.Prefix.Compare)
	for _, d := range c.Devices {
		r.Devices = append(r.Devices, rules.Device{MAC: d.MAC, Policy: rulePolicy(d.Policy)})
	}
	for _, e := range c.Gateway.Exceptions {
		r.Exceptions = append(r.Exceptions, rules.Exception(e))
	}
	return r
}

// rulePolicy turns a word of the configuration into the rules' number.
func rulePolicy(p config.Policy) rules.Policy {
	switch p {
	case config.PolicyOnion:
		return rules.Onion
	case config.PolicyDirect:
		return rules.Direct
	case config.PolicyTor:
		return rules.Tor
	}
	return rules.Block
}

func addFronts(d *Desired, in Inputs) {
	for _, o := range onions(in) {
		f := link.Front{Onion: o.Name, Host: in.Addresses[o.Name].Host(), Former: formerHosts(in, o.Name), Listener: "front/" + o.Name}
		for _, p := range o.Ports {
			kind, guessed := in.Config.ProbeFor(o, p.Virtual)
			f.Ports = append(f.Ports, link.Port{
				Virtual: p.Virtual, Addr: p.Target.Addr, Host: p.Target.Host, HostPort: p.Target.Port, Unix: p.Target.Unix,
				Endpoint: p.Target.Endpoint, Proxy: string(p.Target.Proxy), HTTPHost: p.Target.HTTPHost,
				Probe: kind, Guessed: guessed})
		}
		d.Serve.Fronts = append(d.Serve.Fronts, f)
		d.Listeners = append(d.Listeners, supervise.ListenerSpec{
			Name: f.Listener, Network: "unix", Path: in.Paths.Front(o.Name),
			Mode: 0o660, UID: 0, GID: int(in.Tor.GID)})
	}
}

// formerHosts are the addresses that an onion had and that still lead to it.
func formerHosts(in Inputs, name string) (hosts []string) {
	for _, old := range in.Former[name] {
		hosts = append(hosts, old.Host())
	}
	return hosts
}
