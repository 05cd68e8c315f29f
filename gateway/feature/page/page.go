// Package page is the box's own page for browsers of the household as a feature:
// where it is served, and what of the box it may show and do for whom.
package page

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/peer"
	"tunic/gateway/session"
	"tunic/rules"
)

// Feature answers what serve asks for the page.
type Feature struct {
	Parts
	host   feature.Host
	keeper *session.Keeper
	seen   seen
	pulse  pulse
	glance glance
	parts
}

// Parts are what the feature needs.
type Parts struct {
	Paths    config.Paths
	Log      *slog.Logger
	Tor      Tor
	Settings Settings
	Leaks    func(context.Context) (api.Leaks, error) // where each kind of traffic goes now
	Lines    func() []string                          // the last of the daemon's log
}

// Settings are those that admins change on the page. They are in force for a while, and
// then taken back unless somebody confirms them.
type Settings interface {
	Settings(ctx context.Context) (api.Settings, error)
	Plan(ctx context.Context, r api.SettingsRequest) (api.SettingsPlan, error)
	// Apply puts them in force, in the name of a user.
	Apply(ctx context.Context, by string, r api.SettingsRequest) error
	Confirm(ctx context.Context) error
	TakeBack(ctx context.Context) error
}

var _ feature.Feature = (*Feature)(nil)

// New returns the feature. Without a host it answers nobody.
func New(host feature.Host, p Parts) *Feature { return &Feature{host: host, Parts: p} }

// Name implements feature.Feature.
func (*Feature) Name() string { return "page" }

// Look implements feature.Feature. A web server of the box's own keeps its ports.
func (*Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	if !s.Config.Gateway.Page {
		return feature.Wish{}
	}
	var taken []string
	for _, port := range []uint16{config.PagePort, config.PageTLSPort} {
		if slices.Contains(s.Surroundings.Serves, port) {
			taken = append(taken, fmt.Sprint(port))
		}
	}
	if len(taken) > 0 {
		r.Find(health.PageElsewhere, "", "a server of this box's own listens at port %s, where the box's page would be",
			strings.Join(taken, " and "))
	}
	return feature.Always(want)
}

func want(s feature.Scene, d *feature.Desired) {
	p := &link.Page{Host: config.BoxName, Chat: s.Config.XMPP(), Friends: friends(d.Serve.DNS.Names)}
	_, p.Mail = s.Config.Mail()
	if a := s.Authority; a != nil {
		p.CA = a.Certificate()
	}
	free := func(port uint16) bool { return !slices.Contains(s.Surroundings.Serves, port) }
	when := whenFor(s)
	if free(config.PagePort) {
		p.Listeners = d.Door(s, feature.Door{Name: "page", Public: config.PagePort, Internal: config.ServePagePort, When: when})
	}
	if free(config.PageTLSPort) && d.Serve.TLS != nil {
		p.TLS = d.Door(s, feature.Door{Name: "page-tls", Public: config.PageTLSPort, Internal: config.ServePageTLSPort, When: when})
	}
	if when == rules.Always && len(p.Listeners)+len(p.TLS) > 0 {
		p.DNS = wantClosedDNS(s, d)
	}
	p.Shares = wantShares(s, d, p.Friends)
	d.Serve.Page = p
}

// whenFor is when devices are led to the page: also while the household is closed, which is
// when somebody wants to know why; but not before it is known which ports the owner of the
// box has servers at.
func whenFor(s feature.Scene) rules.When {
	if len(s.Surroundings.Links) == 0 {
		return rules.WhileOpen
	}
	return rules.Always
}

// wantClosedDNS wants somebody who answers for the box's own name while the household is
// closed: an admin logs in under it, as the certificate is for names.
func wantClosedDNS(s feature.Scene, d *feature.Desired) (list []link.DNSListener) {
	d.Rules.Services = append(d.Rules.Services,
		rules.Service{Name: "closed-dns", UDP: true, Public: 53, Internal: config.ServeClosedDNSPort, When: rules.WhileClosed})
	d.EachFamily(s, func(i feature.InterfaceFacts, family string) {
		list = append(list, link.DNSListener{UDP: d.Listen("closed-dns", i, "udp"+family, config.ServeClosedDNSPort),
			TCP: d.Listen("closed-dns", i, "tcp"+family, config.ServeClosedDNSPort)})
	})
	return list
}

// friends are the friends' boxes that have names, with what they share.
func friends(names []link.Name) (list []link.PageFriend) {
	for _, n := range names {
		if n.Label != "" && !n.Box && !strings.Contains(n.Label, ".") {
			list = append(list, link.PageFriend{Name: n.Label, Key: string(peer.Key(n.Onion).Address()), Addrs: n.Addrs})
		}
	}
	for _, n := range names {
		share, name, ok := strings.Cut(n.Label, ".")
		if i := slices.IndexFunc(list, func(f link.PageFriend) bool { return f.Name == name }); ok && i >= 0 {
			list[i].Shares = append(list[i].Shares, share)
		}
	}
	return list
}

// wantShares leads port 80 of friends' own onions to serve, which passes on what
// there is a server for, and else says what the friend shares.
func wantShares(s feature.Scene, d *feature.Desired, friends []link.PageFriend) (listeners []string) {
	led := false
	for _, f := range friends {
		for _, a := range f.Addrs {
			if a.Is6() && !s.Facts.IPv6 {
				continue
			}
			led = true
			d.Rules.Services = append(d.Rules.Services,
				rules.Service{Name: "shares", Public: config.PagePort, Internal: config.ServeSharesPort, To: a})
		}
	}
	if led {
		d.EachFamily(s, func(i feature.InterfaceFacts, family string) {
			listeners = append(listeners, d.Listen("shares", i, "tcp"+family, config.ServeSharesPort))
		})
	}
	return listeners
}
