// Package irc is the box's IRC server as a feature: ngIRCd with its secrets, and
// the ways by which the household and visitors come to it.
package irc

import (
	"context"
	"time"

	"tunic/gateway/account"
	"tunic/gateway/config"
	"tunic/gateway/endpoint/irc"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
)

// floodLimit is how long ngIRCd may take for what a visitor has sent ahead. It
// reads from who sends too much about a line a second, and would for hours.
const floodLimit = 20 * time.Second

var (
	// server is where ngIRCd is, for serve alone.
	server = config.Loopback(config.NgircdPort)
	// places are what visitors, and the household, each have of ngIRCd's places.
	places = link.Places{Each: irc.PlacesEach, Total: irc.Places}
)

// Feature keeps nothing between passes.
type Feature struct{}

var _ feature.Feature = Feature{}

// Name implements feature.Feature.
func (Feature) Name() string { return "irc" }

// Look implements feature.Feature. It reads the secrets, or makes them.
func (Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	if _, ok := s.Config.IRC(); !ok {
		return feature.Always(bound)
	}
	r.NeedUser(s.IRC, "ngircd", config.IRCUser, "nobody can chat by IRC")
	secrets, err := look(*s)
	if err != nil {
		r.Find(health.IRCUnusable, "ngircd", "IRC: %v", err)
	}
	return feature.Want(want, secrets)
}

// bound says what visitors may have of ngIRCd at one time, whichever onion leads
// there.
func bound(_ feature.Scene, d *feature.Desired) {
	for _, f := range d.Serve.Fronts {
		for i := range f.Ports {
			if p := &f.Ports[i]; p.Addr == server {
				p.Patience, p.Places = floodLimit, places
			}
		}
	}
}

// want wants the server and the household's ways to it.
func want(s feature.Scene, d *feature.Desired, secrets irc.Secrets) {
	bound(s, d)
	c, ok := s.Config.IRC()
	if !ok || s.IRC == (feature.IDs{}) || secrets == (irc.Secrets{}) {
		return
	}
	settings := irc.Settings{Dir: s.Paths.Server("irc"), User: config.IRCUser, UID: s.IRC.UID, GID: s.IRC.GID, Listen: server,
		Secrets: secrets, MOTD: c.MOTD, Admins: account.Admins(s.Users)}
	for _, ch := range c.Channels {
		settings.Channels = append(settings.Channels, irc.Channel(ch))
	}
	d.Servers = append(d.Servers, settings.Spec())
	d.Terminator(s, link.Terminator{Name: "irc", Server: server, Places: places},
		feature.Door{Name: "irc", Public: config.IRCPort, Internal: config.ServeIRCPort})
	d.Terminator(s, link.Terminator{Name: "ircs", Server: server, TLS: true, Places: places},
		feature.Door{Name: "ircs", Public: config.IRCTLSPort, Internal: config.ServeIRCTLSPort})
}
