package resolver

import (
	"net/netip"

	"github.com/miekg/dns"

	"tunic/gateway/onion"
)

// destination is the one place that may see a question.
type destination int

const (
	toNobody  destination = iota // the route has the answer
	toTor                        // a public name
	toOnion                      // a possible .onion name, mapped by tor
	toForward                    // a dns.forward server
	toFilter                     // a public name, of Config.Upstream
	toBeside                     // a name of a network beside Tor, of Options.Beside
)

// route is the decision about one question.
type route struct {
	to     destination
	rcode  int            // toNobody
	rrs    []dns.RR       // toNobody
	server netip.AddrPort // toForward
	name   string         // toOnion: what tor is asked for; toBeside: what is mapped
}

// public reports whether a name lies outside the house.
func (r route) public() bool { return r.to == toTor || r.to == toFilter }

// localTTL is for the answers that the resolver makes itself. Addresses of the
// box change when the owner renumbers the household, so it is short.
const localTTL = 60

func answered(rcode int, rrs ...dns.RR) route { return route{rcode: rcode, rrs: rrs} }

// route decides where a question of client goes. The order matters: what has
// a fixed meaning, then onions, then the owner's forwards, then what never
// leaves, and only what is left is asked of Tor.
func (s *state) route(client netip.Addr, q dns.Question) route {
	name := dns.CanonicalName(q.Name)
	switch {
	case q.Qclass != dns.ClassINET, q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR:
		return answered(dns.RcodeRefused)
	case q.Qtype == dns.TypeOPT, q.Qtype == dns.TypeTSIG, q.Qtype == dns.TypeNone:
		return answered(dns.RcodeFormatError)
	case canaries[name]:
		return answered(dns.RcodeNameError)
	}
	if mail, ok := s.routeMail(name, q); ok {
		return mail
	}
	if to, ok := s.routeOwn(name, q); ok {
		return to
	}
	if to, ok := s.routeNamed(client, name, q); ok {
		return to
	}
	if inZone(name, onionZone) {
		return routeOnion(name, q.Qtype)
	}
	if fixed, ok := s.fixed(client, name, q); ok {
		return fixed
	}
	if server, ok := zoneOf(s.forward, name); ok {
		return route{to: toForward, server: server}
	}
	if s.config.I2P && inZone(name, i2pZone) {
		return routeI2P(name, q.Qtype)
	}
	filtered := s.filter != nil && !s.filter.isSource(s, client)
	to := s.routePublic(name, q, filtered)
	if to.to == toTor && filtered {
		to.to = toFilter
	}
	return to
}

// routeOnion sends possible onion names to tor; an impossible one would get a
// virtual address too, and the device would learn of it only by a time-out.
func routeOnion(name string, qtype uint16) route {
	if name == onionZone {
		return answered(dns.RcodeSuccess)
	}
	if _, err := onion.ParseName(name); err != nil || !hostName(name) {
		return answered(dns.RcodeNameError)
	}
	switch qtype {
	case dns.TypeA, dns.TypeAAAA:
		return route{to: toOnion, name: name}
	}
	return answered(dns.RcodeSuccess)
}

// fixed answers the names that mean the box or the asking machine itself.
func (s *state) fixed(client netip.Addr, name string, q dns.Question) (route, bool) {
	switch {
	case name == boxName:
		return answered(dns.RcodeSuccess, addressRRs(q, s.box(client, true), s.box(client, false))...), true
	case inZone(name, localhost):
		return answered(dns.RcodeSuccess, addressRRs(q,
			[]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, []netip.Addr{netip.IPv6Loopback()})...), true
	case name == ipv4only:
		return answered(dns.RcodeSuccess, addressRRs(q,
			[]netip.Addr{netip.AddrFrom4([4]byte{192, 0, 0, 170}), netip.AddrFrom4([4]byte{192, 0, 0, 171})}, nil)...), true
	}
	if a, ok := reverseAddr(name); ok && s.isBox(a) {
		return answered(dns.RcodeSuccess, pointerRRs(q, boxName)...), true
	}
	return route{}, false
}

// routePublic decides about a name that no forward covers. A filter is asked for
// all types, as a TLS server is.
func (s *state) routePublic(name string, q dns.Question, filtered bool) route {
	carried := s.carries(q.Qtype, filtered)
	if a, ok := reverseAddr(name); ok && !s.home(a) && !s.virtual(a) {
		if q.Qtype == dns.TypePTR || carried {
			return route{to: toTor}
		}
		return unanswerable(q)
	}
	switch {
	case carried && isZoneKey(name, q.Qtype):
		return route{to: toTor}
	case name == ".", name == "arpa.", name == "home.arpa.":
		return answered(dns.RcodeSuccess) // names lie below them, so they exist
	case inZone(name, "resolver.arpa."):
		return answered(dns.RcodeSuccess) // it exists, and designates nobody (RFC 9462, sections 4 and 6.4)
	case !hostName(name):
		return answered(dns.RcodeNameError)
	}
	if _, ok := zoneOf(homeZones, name); ok {
		return answered(dns.RcodeNameError)
	}
	switch q.Qtype {
	case dns.TypeA, dns.TypeAAAA:
		return route{to: toTor}
	}
	if carried {
		return route{to: toTor}
	}
	return unanswerable(q)
}

// carries reports whether public names may be asked for that type: with a TLS
// server or a filter for all but those that mean something else than records (RFC 6895,
// section 3.1).
func (s *state) carries(qtype uint16, filtered bool) bool {
	const firstMeta, lastMeta = 128, 255
	return (s.pool != nil || filtered) && (qtype < firstMeta || qtype > lastMeta)
}

// isZoneKey reports whether a question is one of those that a device which
// checks signatures itself asks about the root and the zones below it. For
// every other type a single label is a name in the house.
func isZoneKey(name string, qtype uint16) bool {
	return (qtype == dns.TypeDS || qtype == dns.TypeDNSKEY) && dns.CountLabel(name) < 2 && !homeZones[name]
}

// unanswerable is the answer for types that Tor cannot carry: none, and for
// ANY the one record that RFC 8482, section 4.2, provides for it.
func unanswerable(q dns.Question) route {
	if q.Qtype != dns.TypeANY {
		return answered(dns.RcodeSuccess)
	}
	return answered(dns.RcodeSuccess, &dns.HINFO{Hdr: header(q, dns.TypeHINFO), Cpu: "RFC8482"})
}
