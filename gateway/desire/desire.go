// Package desire computes what a configuration leads to: a pure function of what
// the box is like and of what its features wish. The reconciler makes it true; who
// asks without a daemon (check, plan, lockdown) gets the same answer.
package desire

import (
	"context"
	"reflect"
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

// State maps the configuration to the desired state. It is pure.
func State(in Inputs) feature.Desired {
	in.Scene = in.Seen()
	d := feature.Desired{Tor: torSpec(in), Fast: fastSpec(in), Rules: ownRules(in)}
	d.Serve.TorUID, d.Serve.TorSOCKS = in.Tor.UID, in.Paths.TorSOCKS()
	for _, ids := range in.Confined() { // who is here is refused what nobody wishes
		d.May(ids)
	}
	d.May(in.Serve, feature.OnLoopback(rules.ProtocolUDP, config.DNSPort))
	for _, w := range in.Wishes {
		w.Add(in.Scene, &d)
	}
	return d
}

// Kept is what State has said last. It is not asked again what it was asked last: in a big house
// it takes as long as all that an empty one has in a pass. Nobody writes to what it says.
type Kept struct {
	from Inputs
	to   feature.Desired
	any  bool
}

// State is State.
func (k *Kept) State(in Inputs) feature.Desired {
	if !k.any || !same(k.from, in) {
		k.from, k.to, k.any = Inputs{in.Seen(), in.Wishes}, State(in), true
	}
	return k.to
}

// same reports whether State says the same of both.
func same(x, y Inputs) bool {
	a, b := x.Scene, y.Seen()
	if !a.Authority.Equal(b.Authority) || !slices.EqualFunc(x.Wishes, y.Wishes, feature.Wish.Same) {
		return false
	}
	a.Authority, b.Authority = nil, nil // a pass reads it again
	return reflect.DeepEqual(a, b)
}

// Look has each feature look.
func (in *Inputs) Look(ctx context.Context, features []feature.Feature, r *feature.Report) {
	in.Wishes = make([]feature.Wish, len(features))
	for i, f := range features {
		in.Wishes[i] = f.Look(ctx, &in.Scene, r)
	}
}

// Foresee has features look at a scene that is not there: nothing is written or
// told for it.
func (in *Inputs) Foresee(ctx context.Context, features []feature.Feature) {
	in.Foreseen, in.Certain = true, time.Time{}
	in.Look(ctx, features, new(feature.Report))
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
		Socks:     in.Paths.TorSOCKS(),
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

// Closed are the rules by which nothing passes. They are computed from what the
// open ones are: whatever those refuse, these refuse too.
func Closed(ctx context.Context, features []feature.Feature, in Inputs) rules.Input {
	in.Mode = rules.Lockdown
	in.Foresee(ctx, features)
	return State(in).Rules
}

// ownRules are the rules as far as no feature adds to them.
func ownRules(in Inputs) rules.Input {
	c := in.Config
	r := rules.Input{
		Mode:       in.Mode,
		Interfaces: c.Household.Interfaces,
		Group:      in.Group,
		Buckets:    in.Buckets,
		Default:    rulePolicy(c.Household.DefaultPolicy),
		Carriers:   []rules.Carrier{{UID: in.Tor.UID, TransPort: config.TransPort, DNSPort: config.DNSPort}},
		OwnTor:     c.Gateway.OwnTraffic == config.OwnTor,
		Streams:    tor.DeviceStreams,
		Full:       in.TorNow.Full,
		Virtual4:   in.Ranges.Virtual4,
		Virtual6:   in.Ranges.Virtual6,
	}
	r.Prefixes, _ = in.HomeNetworks()
	r.Checked = in.Mixed()
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
