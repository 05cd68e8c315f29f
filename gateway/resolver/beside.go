package resolver

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// routeI2P has possible names of I2P mapped. There are addresses of IPv4 alone.
func routeI2P(name string, qtype uint16) route {
	switch {
	case name == i2pZone:
		return answered(dns.RcodeSuccess)
	case !hostName(name):
		return answered(dns.RcodeNameError)
	case qtype != dns.TypeA:
		return answered(dns.RcodeSuccess)
	}
	return route{to: toBeside, name: name}
}

// beside answers for a name of a network beside Tor. Programs of the box itself have no
// way there.
func (h handler) beside(t *turn) {
	if h.box {
		t.m.Rcode = dns.RcodeNameError
		return
	}
	a, ok := h.Beside(t.device, strings.TrimSuffix(t.to.name, "."))
	if !ok {
		t.m.Rcode = dns.RcodeServerFailure
		return
	}
	t.m.Answer = addressRRs(t.req.Question[0], []netip.Addr{a}, nil)
}
