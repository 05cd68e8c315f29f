package link

import "net/netip"

// DNSMail is what the resolver tells mail programs (resolver.Mail).
type DNSMail struct {
	Domain   string // "KEY.peer.home.arpa"
	Setup    netip.Addr
	Services []DNSService
}

// DNSService is an SRV record that leads to the box; port 0 says that it does
// not have the service.
type DNSService struct {
	Name string // "_imaps._tcp"
	Port uint16
}

// Setup are the pages for mail programs and the people who set them up.
type Setup struct {
	Listeners []string
	Domain    string // of the household's addresses
	Host      string // of the servers
	IMAPS     uint16
	Submit    uint16
	CA        string // the authority's certificate, PEM
}
