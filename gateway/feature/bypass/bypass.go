// Package bypass is what devices may reach outside Tor because the configuration
// names it: networks, and domains while a device has just asked for them.
package bypass

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/rules"
)

// Neighbours knows devices by their addresses.
type Neighbours interface {
	// HardwareAddr is the MAC of the device that has an address; "" is nobody's.
	HardwareAddr(ctx context.Context, interfaces []string, a netip.Addr) (string, error)
}

// Feature lets through what a bypass names.
type Feature struct {
	host   feature.Host
	paths  config.Paths
	kernel Neighbours
	grants grants
}

var (
	_ feature.Feature  = (*Feature)(nil)
	_ feature.Reporter = (*Feature)(nil)
	_ feature.Sooner   = (*Feature)(nil)
)

// New returns the feature. Without a host it grants nothing.
func New(host feature.Host, paths config.Paths, kernel Neighbours) *Feature {
	return &Feature{host: host, paths: paths, kernel: kernel}
}

// Name implements feature.Feature.
func (*Feature) Name() string { return "bypass" }

// Look implements feature.Feature.
func (f *Feature) Look(context.Context, *feature.Scene, *feature.Report) feature.Wish {
	return feature.Want(want, f.grants.current(time.Now()))
}

// want wants the names of each bypass asked for, and what was granted let through.
func want(s feature.Scene, d *feature.Desired, now []granted) {
	d.Rules.Bypasses = ruleBypasses(s.Config)
	if s.Mode == rules.Open {
		d.Rules.Grants = grantRules(d.Rules, now)
	}
	for _, b := range s.Config.Bypasses {
		d.Serve.DNS.Bypass = append(d.Serve.DNS.Bypass, b.Domains...)
	}
}

// Report implements feature.Reporter.
func (f *Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	status.Leaks = append(status.Leaks, inWords(s.Config, f.grants.current(time.Now()))...)
}

// Next implements feature.Sooner: a grant ends.
func (f *Feature) Next() time.Time { return f.grants.next() }

// Answers says who answers what serve asks.
func (f *Feature) Answers(m *link.Mux) {
	link.Handle(m, link.LetThrough, func(ctx context.Context, r link.Grant) (struct{}, error) { return struct{}{}, f.Grant(ctx, r) })
}

// Grant lets a device reach addresses outside Tor for a while, if the
// configuration says so. It returns when the rules have it, or with an error
// when they never will.
func (f *Feature) Grant(ctx context.Context, r link.Grant) error {
	now := f.host.Now()
	mac, err := f.kernel.HardwareAddr(ctx, now.Config.Household.Interfaces, r.Device)
	if err != nil {
		return err
	}
	want, err := check(now, mac, r)
	if err != nil || len(want) == 0 {
		return err
	}
	until := time.Now().Add(min(max(r.TTL, 0), grantTTLMax) + grantGrace)
	loaded, err := f.grants.add(want, until)
	if err != nil || loaded {
		return err
	}
	return f.load(ctx)
}

// check returns what a grant comes down to: nothing for a device whose traffic
// goes direct anyway.
func check(now feature.Now, mac string, r link.Grant) ([]granted, error) {
	in := now.Desired.Rules
	if !now.Open {
		return nil, feature.ErrClosed
	}
	if mac == "" || !permits(in, mac, r.Domain) || in.PolicyOf(mac) == rules.Block {
		return nil, errNotBypassed
	}
	if in.PolicyOf(mac) == rules.Direct {
		return nil, nil
	}
	if len(r.Addrs) > maxGrantAddrs {
		return nil, errGrantsFull
	}
	var want []granted
	for _, a := range r.Addrs {
		if !grantable(in, a) {
			return nil, errNotGrantable
		}
		want = append(want, granted{rules.Grant{MAC: mac, To: a}, r.Domain})
	}
	return want, nil
}

// load brings the rules up to date with the grants; once serves all who wait.
func (f *Feature) load(ctx context.Context) error {
	var list []granted
	err := f.host.Rules(ctx, func(in *rules.Input) {
		list = f.grants.current(time.Now())
		in.Grants = grantRules(*in, list)
	})
	if err != nil {
		return fmt.Errorf("letting a device through to a bypass: %w", err)
	}
	f.grants.loaded(list)
	return nil
}

// ruleBypasses turns the names of devices into addresses.
func ruleBypasses(c *config.Config) []rules.Bypass {
	var list []rules.Bypass
	for _, b := range c.Bypasses {
		r := rules.Bypass{Domains: b.Domains, Prefixes: b.Prefixes}
		for _, name := range b.Devices {
			if i := slices.IndexFunc(c.Devices, func(d config.Device) bool { return d.Name == name }); i >= 0 {
				r.MACs = append(r.MACs, c.Devices[i].MAC)
			}
		}
		list = append(list, r)
	}
	return list
}

// inWords says in words what bypasses let out, and how many addresses of
// their domains they let out now.
func inWords(c *config.Config, granted []granted) []string {
	var words []string
	for _, b := range c.Bypasses {
		to := slices.Clone(b.Domains)
		for _, p := range b.Prefixes {
			to = append(to, p.String())
		}
		text := fmt.Sprintf("%s, for %s (bypass)", strings.Join(to, ", "), config.Who(b.Devices))
		if n := countDomains(granted, b.Domains); n > 0 {
			text += fmt.Sprintf("; %d addresses now", n)
		}
		words = append(words, text)
	}
	return words
}

func countDomains(list []granted, domains []string) int {
	n := 0
	for _, what := range list {
		if slices.Contains(domains, what.Domain) {
			n++
		}
	}
	return n
}
