// Package clock is the box's clock as a feature: whether it is right, and who is
// told the time: devices, and the box's own NTP client (RFC 5905).
package clock

import (
	"context"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/ntp"
	"tunic/rules"
)

// ntpPort is where time servers are asked (RFC 5905).
const ntpPort = 123

// Feature keeps nothing between passes.
type Feature struct{}

var (
	_ feature.Feature  = Feature{}
	_ feature.Reporter = Feature{}
)

// Name implements feature.Feature.
func (Feature) Name() string { return "clock" }

// Look implements feature.Feature. It tells when devices may not be told the time.
// Tor says nothing of a clock that is months behind or days ahead; it just does
// not connect.
func (Feature) Look(_ context.Context, s *feature.Scene, r *feature.Report) feature.Wish {
	connected := s.TorNow.Bootstrap == 100
	if !Trusted(*s) && (!connected || s.Config.Gateway.NTP) {
		why := "nothing keeps it, and relays have not told the time yet"
		if s.TorNow.ClockSkew != 0 {
			why = "tor sees that it is wrong by " + s.TorNow.ClockSkew.String()
		}
		effect := "it does not tell devices the time"
		if !connected {
			effect = "Tor connects only if it is right to a day"
		}
		r.Find(health.ClockUntrusted, "", "this box's clock says %s and is not certain, %s: %s",
			time.Now().UTC().Format("2006-01-02 15:04 UTC"), effect, why)
	}
	return feature.Always(want)
}

// Trusted reports whether devices may be told the time: something keeps the box's
// clock, or relays have told the time, and tor has not seen that the clock is
// wrong.
func Trusted(s feature.Scene) bool {
	return s.TorNow.ClockSkew == 0 && (s.Facts.ClockSynchronised || s.Facts.RelayTime != nil)
}

// Report implements feature.Reporter.
func (Feature) Report(_ context.Context, s feature.Scene, status *api.Status) {
	status.Clock = api.Clock{Trusted: Trusted(s), Kept: s.Facts.ClockSynchronised}
	if n := s.Facts.RelayTime; n != nil {
		c := &status.Clock
		c.Relays, c.Asked, c.Error = n.Count, n.Asked, n.MaxError(ntp.SinceBoot()).Seconds()
	}
}

// want wants the time servers, and lets who asks them through.
func want(s feature.Scene, d *feature.Desired) {
	n := link.NTP{Trusted: Trusted(s)}
	if t := s.Facts.RelayTime; t != nil {
		n.Relays = &link.RelayTime{Start: t.Start, Error: t.Error, Boot: t.Boot}
	}
	g := s.Config.Gateway
	if g.NTP {
		d.Rules.NTPPort = config.ServeNTPPort
		d.EachFamily(s, func(i feature.InterfaceFacts, family string) {
			n.Listeners = append(n.Listeners, d.Listen("ntp", i, "udp"+family, config.ServeNTPPort))
		})
	}
	if g.OwnTraffic == config.OwnTor {
		d.Rules.OwnTime = config.ServeOwnTimePort
		for _, family := range feature.LoopbackFamilies(s.Facts.IPv6) {
			n.Own = append(n.Own, d.ListenLoopback("own-time", "udp"+family, config.ServeOwnTimePort))
		}
	}
	for _, server := range g.NTPServers {
		d.Rules.Exceptions = append(d.Rules.Exceptions, rules.Exception{Protocol: rules.ProtocolUDP, To: feature.Alone(server),
			Port: ntpPort})
	}
	if len(n.Listeners)+len(n.Own) > 0 {
		d.Serve.NTP = &n
	}
}
