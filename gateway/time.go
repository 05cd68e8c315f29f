package gateway

import (
	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/rules"
)

// ntpPort is where time servers are asked (RFC 5905).
const ntpPort = 123

// checkClock decides whether devices may be told the time: the kernel must say
// that something keeps its clock, and tor must not have seen that it is wrong.
func (a *attempt) checkClock() {
	skew := a.Tor.Status().ClockSkew
	a.in.ClockTrusted = a.in.Facts.ClockSynchronised && skew == 0
	if !a.in.Config.Gateway.NTP || a.in.ClockTrusted {
		return
	}
	why := "nothing keeps it synchronised"
	if skew != 0 {
		why = "tor sees that it is wrong by " + skew.String()
	}
	a.find(health.ClockUntrusted, "devices that ask for the time are told that this box's clock is not to be trusted: %s", why)
}

// addNTP wishes the time server.
func (d *Desired) addNTP(in Inputs) {
	if !in.Config.Gateway.NTP {
		return
	}
	d.Serve.NTP = &link.NTP{Trusted: in.ClockTrusted}
	for _, i := range in.Facts.Interfaces {
		if i.Index == 0 {
			continue
		}
		d.Serve.NTP.Listeners = append(d.Serve.NTP.Listeners, d.listen("ntp", i, "udp4", config.ServeNTPPort))
		if in.Facts.IPv6 {
			d.Serve.NTP.Listeners = append(d.Serve.NTP.Listeners, d.listen("ntp", i, "udp6", config.ServeNTPPort))
		}
	}
}

// addTime lets devices ask for the time, and the box itself where its owner
// says.
func addTime(r *rules.Input, c *config.Config) {
	if c.Gateway.NTP {
		r.NTPPort = config.ServeNTPPort
	}
	for _, server := range c.Gateway.NTPServers {
		r.Exceptions = append(r.Exceptions, rules.Exception{Protocol: rules.ProtocolUDP, To: alone(server), Port: ntpPort})
	}
}
