package household

import (
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/rules"
)

// want wants names and a SOCKS proxy for devices, on every interface that exists
// now, in both families.
func want(s feature.Scene, d *feature.Desired, f found) {
	d.Rules.Services = append(d.Rules.Services, rules.Service{Name: "dns", UDP: true, Public: 53, Internal: config.ServeDNSPort})
	d.EachFamily(s, func(i feature.InterfaceFacts, family string) {
		d.Serve.DNS.Listeners = append(d.Serve.DNS.Listeners, link.DNSListener{
			UDP: d.Listen("dns", i, "udp"+family, config.ServeDNSPort),
			TCP: d.Listen("dns", i, "tcp"+family, config.ServeDNSPort)})
	})
	d.Serve.SOCKS.Listeners = d.Door(s, feature.Door{Name: "socks", Public: s.Config.Socks.Port, Internal: config.ServeSocksPort})
	d.Serve.Hosts = s.Hosts
	wantDNS(s, d)
	if s.Config.Gateway.OwnTraffic == config.OwnTor {
		wantOwnDNS(s, d)
	}
	if s.Mode == rules.Open || !f.foreseen { // a portal is for a household that Tor keeps closed, too
		d.Rules.Guests = f.guests
	}
}

// wantDNS says who answers which names.
func wantDNS(s feature.Scene, d *feature.Desired) {
	c := s.Config.DNS
	d.Serve.DNS.Virtual4, d.Serve.DNS.Virtual6 = s.Ranges.Virtual4, s.Ranges.Virtual6
	d.Serve.DNS.Private = c.Private
	for _, f := range c.Forward {
		d.Serve.DNS.Forward = append(d.Serve.DNS.Forward, link.Forward{Domain: f.Domain, Server: f.Server})
		for _, protocol := range []uint8{rules.ProtocolTCP, rules.ProtocolUDP} {
			to := f.Server.Addr()
			d.May(s.Serve, rules.Way{Protocol: protocol, To: to.Unmap(), Port: f.Server.Port()})
			d.Rules.Exceptions = append(d.Rules.Exceptions,
				rules.Exception{Protocol: protocol, To: feature.Alone(to), Port: f.Server.Port()})
		}
	}
	if r := c.Resolver; r.Server.IsValid() {
		d.Serve.DNS.Resolver = &link.Resolver{Server: r.Server, Name: r.Name}
	}
	for _, i := range s.Facts.Interfaces {
		d.Serve.DNS.Box = append(d.Serve.DNS.Box, i.Addresses...)
	}
}

// wantOwnDNS wants the sockets for the box's own questions, which the rules lead to
// the loopback address of their family: what is not for outside, such as a friend's
// name or a printer's, reaches no exit.
func wantOwnDNS(s feature.Scene, d *feature.Desired) {
	d.Rules.OwnDNS = config.ServeOwnDNSPort
	for _, family := range feature.LoopbackFamilies(s.Facts.IPv6) {
		d.Serve.DNS.Listeners = append(d.Serve.DNS.Listeners, link.DNSListener{
			Box: true, UDP: d.ListenLoopback("own-dns", "udp"+family, config.ServeOwnDNSPort),
			TCP: d.ListenLoopback("own-dns", "tcp"+family, config.ServeOwnDNSPort)})
	}
}
