// Package upstream is the filter of [dns] upstream, as a feature: that it is asked
// for names only where it is at home, and what is wrong with it.
package upstream

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"tunic/gateway/api"
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
func (Feature) Name() string { return "upstream" }

// Check implements feature.Checker.
func (Feature) Check(_ context.Context, s feature.Scene) error {
	if why := misplaced(s); why != "" {
		return feature.Usage(fmt.Errorf("[dns] upstream: %s", why),
			"name a filter in the household, or on this box by a loopback address, like 127.0.0.1:5353")
	}
	return nil
}

// Look implements feature.Feature. A filter that is not where it has to be is still
// wanted, without a way to it: no name is asked of another one in its place.
func (Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	server := s.Config.DNS.Upstream
	if !server.IsValid() {
		return feature.Wish{}
	}
	why := misplaced(*s)
	if why != "" {
		r.Find(health.UpstreamElsewhere, server.String(), "[dns] upstream: %s; it is not asked", why)
	}
	return feature.Want(want, why == "")
}

// want wants the filter asked, if it is where one can be.
func want(s feature.Scene, d *feature.Desired, placed bool) {
	server := s.Config.DNS.Upstream
	d.Serve.DNS.Upstream = server
	if !placed {
		return
	}
	for _, protocol := range []uint8{rules.ProtocolTCP, rules.ProtocolUDP} {
		d.May(s.Serve, rules.Way{Protocol: protocol, To: server.Addr(), Port: server.Port()})
		if !server.Addr().IsLoopback() { // port 53 of others is led to the box's own resolver
			d.Rules.Exceptions = append(d.Rules.Exceptions,
				rules.Exception{Protocol: protocol, To: feature.Alone(server.Addr()), Port: server.Port()})
		}
	}
}

// misplaced says why the filter's address is none to ask; "": it is one, or while the
// household has no address, nobody knows.
func misplaced(s feature.Scene) string {
	a := s.Config.DNS.Upstream.Addr()
	if !a.IsValid() || a.IsLoopback() {
		return ""
	}
	var home []netip.Prefix
	for _, i := range s.Facts.Interfaces {
		home = append(home, i.Addresses...)
	}
	switch {
	case slices.ContainsFunc(home, func(p netip.Prefix) bool { return p.Addr() == a }):
		return fmt.Sprintf("%s is this box itself: write 127.0.0.1 and the filter's port", a)
	case len(home) > 0 && !slices.ContainsFunc(home, func(p netip.Prefix) bool { return p.Masked().Contains(a) }):
		return fmt.Sprintf("%s is on none of the household's networks: names would leave it in clear", a)
	}
	return ""
}

// Report implements feature.Reporter. While the household is closed no name reaches
// Tor, and that is said elsewhere.
func (Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	server := s.Config.DNS.Upstream
	if !server.IsValid() || status.State != api.Open || misplaced(s) != "" {
		return
	}
	switch u := s.Served.Upstream; {
	case u.Silent:
		status.Findings = append(status.Findings, health.New(health.UpstreamSilent, server.String(),
			fmt.Sprintf("the filter %s ([dns] upstream) does not answer: no device gets an answer about public names", server)))
	case u.Elsewhere:
		status.Findings = append(status.Findings, health.New(health.UpstreamElsewhere, server.String(),
			fmt.Sprintf("the filter %s ([dns] upstream) answers without asking this box: it is not asked, and public names fail", server)))
	}
}
