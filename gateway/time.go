package gateway

import (
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/ntp"
	"tunic/gateway/relaytime"
	"tunic/gateway/tor"
	"tunic/rules"
)

// ntpPort is where time servers are asked (RFC 5905).
const ntpPort = 123

// relayTime is what relays have said, if that is new enough.
func (g *Gateway) relayTime() *relaytime.Note {
	n, err := relaytime.ReadNote(g.Paths.Clock())
	if err != nil || !n.Fresh(ntp.SinceBoot()) {
		return nil // without it the clock is as uncertain as it was
	}
	return &n
}

// clockTrusted reports whether devices may be told the time: something keeps
// the box's clock, or relays have told the time, and tor has not seen that the
// clock is wrong.
func clockTrusted(f Facts, t tor.Status) bool {
	return t.ClockSkew == 0 && (f.ClockSynchronised || f.RelayTime != nil)
}

// checkClock decides whether devices may be told the time. Tor says nothing of a
// clock that is months behind or days ahead; it just does not connect.
func (a *attempt) checkClock() {
	t := a.Tor.Status()
	a.in.ClockTrusted = clockTrusted(a.in.Facts, t)
	connected := t.Bootstrap == 100
	if a.in.ClockTrusted || connected && !a.in.Config.Gateway.NTP {
		return
	}
	why := "nothing keeps it, and relays have not told the time yet"
	if t.ClockSkew != 0 {
		why = "tor sees that it is wrong by " + t.ClockSkew.String()
	}
	effect := "it does not tell devices the time"
	if !connected {
		effect = "Tor connects only if it is right to a day"
	}
	a.find(health.ClockUntrusted, "", "this box's clock says %s and is not certain, %s: %s", time.Now().UTC().Format("2006-01-02 15:04 UTC"), effect, why)
}

func clockStatus(f Facts, t tor.Status) api.Clock {
	c := api.Clock{Trusted: clockTrusted(f, t), Kept: f.ClockSynchronised}
	if n := f.RelayTime; n != nil {
		c.Relays, c.Asked, c.Error = n.Count, n.Asked, n.MaxError(ntp.SinceBoot()).Seconds()
	}
	return c
}

// farStep is by how much a clock that was set leaves a tor behind. Set back, tor
// waits for the moments of its next tries, which are that far away; set forward,
// it believes that all it has is old.
const farStep = time.Hour

// followStep has other tors start when the clock was set far since the pass
// before, by whomever. Of a tor that has started meanwhile nobody knows on which
// side of the step.
func (a *attempt) followStep() {
	start := time.Now().Round(0).Add(-ntp.SinceBoot())
	moved := start.Sub(a.machineStart)
	known := !a.machineStart.IsZero()
	a.machineStart = start
	if !known || moved.Abs() < farStep || a.Tor.Status().PID == 0 {
		return
	}
	a.Log.Info("the clock was set, so tor is started again", "forward by", moved.Round(time.Second))
	a.Tor.Rest()
	a.Fast.Rest()
}

// certain is the time, or the zero time while it is not known well enough to
// sign anything: something keeps the clock, or relays told it, or tor builds
// circuits, which takes a consensus that is not over by this clock.
func (a *attempt) certain() time.Time {
	if a.in.Facts.ClockSynchronised || a.in.Facts.RelayTime != nil || a.Tor.Status().Circuits {
		return time.Now()
	}
	return time.Time{}
}

// addNTP wishes the time servers: for devices, and for the box's own NTP client.
func (d *Desired) addNTP(in Inputs) {
	n := link.NTP{Trusted: in.ClockTrusted}
	if t := in.Facts.RelayTime; t != nil {
		n.Relays = &link.RelayTime{Start: t.Start, Error: t.Error, Boot: t.Boot}
	}
	if in.Config.Gateway.NTP {
		d.eachFamily(in, func(i InterfaceFacts, family string) {
			n.Listeners = append(n.Listeners, d.listen("ntp", i, "udp"+family, config.ServeNTPPort))
		})
	}
	if in.Config.Gateway.OwnTraffic == config.OwnTor {
		for _, family := range loopbackFamilies(in.Facts.IPv6) {
			n.Own = append(n.Own, d.listenLoopback("own-time", "udp"+family, config.ServeOwnTimePort))
		}
	}
	if len(n.Listeners)+len(n.Own) > 0 {
		d.Serve.NTP = &n
	}
}

// addTime lets devices ask for the time, and the box itself where its owner
// says; its other questions, and those of the DNS, are answered here.
func addTime(r *rules.Input, c *config.Config) {
	if c.Gateway.NTP {
		r.NTPPort = config.ServeNTPPort
	}
	if c.Gateway.OwnTraffic == config.OwnTor {
		r.OwnDNS, r.OwnTime = config.ServeOwnDNSPort, config.ServeOwnTimePort
	}
	for _, server := range c.Gateway.NTPServers {
		r.Exceptions = append(r.Exceptions, rules.Exception{Protocol: rules.ProtocolUDP, To: alone(server), Port: ntpPort})
	}
}
