package gateway

import (
	"net/netip"

	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/tor"
	"tunic/rules"
)

// setupPort is where browsers and mail programs ask.
const setupPort = 80

// setupAddr is an address of the household's virtual range that is the box's
// own: port 80 of its real addresses may be the router's. Friends get numbers
// from 256.
func setupAddr(r Ranges) netip.Addr {
	if !r.Virtual4.IsValid() {
		return netip.Addr{}
	}
	return r.Virtual4.Masked().Addr().Next()
}

// mailServers are the services that mail programs look for (RFC 6186, RFC 8314),
// those that the box does not have among them.
var mailServers = []link.DNSService{
	{Name: "_imaps._tcp", Port: config.IMAPSPort},
	{Name: "_submission._tcp", Port: submissionPort},
	{Name: "_submissions._tcp"},
	{Name: "_imap._tcp"},
	{Name: "_pop3._tcp"},
	{Name: "_pop3s._tcp"},
}

// hasSetup reports whether mail programs are helped: there is mail, an address
// for it, and somewhere to say so.
func hasSetup(in Inputs) (domain string, ok bool) {
	home, made := in.Addresses[config.HomeOnion]
	_, mail := in.Config.Mail()
	return string(home) + config.PeerDomain, mail && made && setupAddr(in.Ranges).IsValid()
}

// addSetup helps mail programs to find the household's servers.
func addSetup(d *Desired, in Inputs) {
	domain, ok := hasSetup(in)
	if !ok {
		return
	}
	d.Serve.DNS.Mail = &link.DNSMail{Domain: domain, Setup: setupAddr(in.Ranges), Services: mailServers}
	d.Serve.Setup = &link.Setup{Domain: domain, Host: config.BoxName, IMAPS: config.IMAPSPort, Submit: submissionPort, CA: certificate(in.Authority)}
	d.EachFamily(in.Scene, func(i InterfaceFacts, family string) {
		if family == "4" { // the address is of IPv4
			d.Serve.Setup.Listeners = append(d.Serve.Setup.Listeners, d.Listen("setup", i, "tcp4", config.ServeSetupPort))
		}
	})
	// tor gives the address to no other name; on other ports it is our own home.
	d.Tor.Maps = append(d.Tor.Maps, tor.Map{Virtual: setupAddr(in.Ranges), Onion: in.Addresses[config.HomeOnion]})
}

// certificate is what devices install, PEM; "" without an authority.
func certificate(a *ca.Authority) string {
	if a == nil {
		return ""
	}
	return a.Certificate()
}

// setupService admits the household to the pages.
func setupService(r *rules.Input, in Inputs) {
	if _, ok := in.Config.Mail(); ok && setupAddr(in.Ranges).IsValid() {
		r.Services = append(r.Services, rules.Service{Name: "setup", To: setupAddr(in.Ranges), Public: setupPort, Internal: config.ServeSetupPort})
	}
}
