package resolver

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// Mail is what mail programs may know of the household's servers.
type Mail struct {
	Domain   string // of the household's addresses, "KEY.peer.home.arpa"
	Services []Service

	// Setup is where the pages for mail programs are: the address of
	// autoconfig.DOMAIN and of setup.box.home.arpa.
	Setup netip.Addr
}

// Service is an SRV record (RFC 2782) that leads to the box.
type Service struct {
	Name string // "_imaps._tcp"
	Port uint16 // 0: the box says that it does not have it (RFC 6186, section 3.4)
}

func (m *Mail) equal(other *Mail) bool {
	if m == nil || other == nil {
		return m == other
	}
	return m.Domain == other.Domain && m.Setup == other.Setup && slices.Equal(m.Services, other.Services)
}

func (m *Mail) clone() *Mail {
	if m == nil {
		return nil
	}
	c := *m
	c.Services = slices.Clone(m.Services)
	return &c
}

// setupName is for people who type it.
const setupName = "setup." + boxName

// strangersKnow are names by which Thunderbird asks its makers for the settings
// of a domain, which would tell them the household's onion (through an exit).
var strangersKnow = map[string]bool{
	"autoconfig.thunderbird.net.": true,
	"live.thunderbird.net.":       true,
}

// routeMail answers what mail programs ask when they are given an address of the
// household (RFC 6186, and autoconfiguration as Thunderbird does it).
func (s *state) routeMail(name string, q dns.Question) (route, bool) {
	m := s.config.Mail
	if m == nil {
		return route{}, false
	}
	domain := dns.CanonicalName(m.Domain)
	switch name {
	case setupName, "autoconfig." + domain:
		return answered(dns.RcodeSuccess, addressRRs(q, []netip.Addr{m.Setup}, nil)...), true
	}
	if strangersKnow[name] {
		return answered(dns.RcodeNameError), true
	}
	for _, service := range m.Services {
		if name == service.Name+"."+domain {
			return answered(dns.RcodeSuccess, serviceRRs(q, service)...), true
		}
	}
	return route{}, false
}

// serviceRRs leads to the box by the name that its certificate and every device
// in the house know.
func serviceRRs(q dns.Question, service Service) []dns.RR {
	if q.Qtype != dns.TypeSRV {
		return nil
	}
	target, priority, weight := boxName, uint16(0), uint16(1)
	if service.Port == 0 {
		target, weight = ".", 0
	}
	return []dns.RR{&dns.SRV{Hdr: header(q, dns.TypeSRV), Priority: priority, Weight: weight, Port: service.Port, Target: target}}
}
