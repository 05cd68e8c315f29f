package gateway

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/tor"
	"tunic/rules"
)

// Inputs are all that the desired state is a function of.
type Inputs struct {
	feature.Scene
	Wishes []feature.Wish // of the features, in their order
}

// desire maps the configuration to the desired state. It is pure.
func desire(in Inputs) feature.Desired {
	d := feature.Desired{Tor: torSpec(in), Fast: fastSpec(in), Rules: ownRules(in)}
	d.Serve.TorUID = in.Tor.UID
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
	spec.Snippets = torSnippets(in.Config)
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
		Snippets:  torSnippets(in.Config),
	}
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
