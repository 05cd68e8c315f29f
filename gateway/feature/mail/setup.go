package mail

import (
	"net/netip"

	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/tor"
)

// setupPort is where browsers and mail programs ask.
const setupPort = 80

// setupAddr is an address of the household's virtual range that is the box's
// own: port 80 of its real addresses may be the router's. Friends get numbers
// from 256.
func setupAddr(r feature.Ranges) netip.Addr {
	if !r.Virtual4.IsValid() {
		return netip.Addr{}
	}
	return r.Virtual4.Masked().Addr().Next()
}

// mailServers are the services that mail programs look for (RFC 6186, RFC 8314),
// those that the box does not have among them.
var mailServers = []link.DNSService{
	{Name: "_imaps._tcp", Port: config.IMAPSPort},
	{Name: "_submission._tcp", Port: config.SubmissionPort},
	{Name: "_submissions._tcp"},
	{Name: "_imap._tcp"},
	{Name: "_pop3._tcp"},
	{Name: "_pop3s._tcp"},
}

// addSetup helps mail programs to find the household's servers, where there is an
// address to ask.
func addSetup(s feature.Scene, d *feature.Desired) {
	at := setupAddr(s.Ranges)
	domain, ok := s.Domain()
	if !ok || !at.IsValid() {
		return
	}
	d.Serve.DNS.Mail = &link.DNSMail{Domain: domain, Setup: at, Services: mailServers}
	d.Serve.Setup = &link.Setup{Domain: domain, Host: config.BoxName, IMAPS: config.IMAPSPort, Submit: config.SubmissionPort,
		CA:        certificate(s.Authority),
		Listeners: d.Door(s, feature.Door{Name: "setup", To: at, Public: setupPort, Internal: config.ServeSetupPort})}
	// tor gives the address to no other name; on other ports it is our own home.
	home, _ := s.Home()
	d.Tor.Maps = append(d.Tor.Maps, tor.Map{Virtual: at, Onion: home})
}

// certificate is what devices install, PEM; "" without an authority.
func certificate(a *ca.Authority) string {
	if a == nil {
		return ""
	}
	return a.Certificate()
}
