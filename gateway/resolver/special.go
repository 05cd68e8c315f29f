package resolver

import (
	"net/netip"

	"github.com/miekg/dns"
)

// Names with a meaning of their own, in canonical form.
const (
	onionZone = "onion."         // RFC 7686
	i2pZone   = "i2p."           // I2P's, homeZones has it too
	boxName   = "box.home.arpa." // the box itself
	localhost = "localhost."     // RFC 6761, section 6.3
	ipv4only  = "ipv4only.arpa." // RFC 8880: there is no NAT64 here
)

// canaries are names whose absence tells programs not to bring a resolver of
// their own, around the household's. It changes defaults, no one's choice.
var canaries = map[string]bool{
	"use-application-dns.net.": true, // Firefox's DNS over HTTPS
	"mask.icloud.com.":         true, // Apple's Private Relay
	"mask-h2.icloud.com.":      true,
}

// homeZones are the zones whose names are never asked of Tor: they mean
// something in the house or nothing at all, and would tell an exit about the
// household. A dns.forward domain may cover them.
var homeZones = map[string]bool{
	"test.":        true, // RFC 6761
	"invalid.":     true, // RFC 6761
	"localhost.":   true, // RFC 6761
	"local.":       true, // RFC 6762
	"intranet.":    true, // RFC 6762, appendix G, this and the next four
	"private.":     true,
	"corp.":        true,
	"home.":        true,
	"lan.":         true,
	"internal.":    true, // reserved by ICANN for private use
	"localdomain.": true, // the default of many DHCP servers
	"alt.":         true, // RFC 9476
	"exit.":        true, // tor's own notations, which choose or refuse a path
	"noconnect.":   true,
	"i2p.":         true, // names of other networks, which no exit knows: I2P
	"gnu.":         true, // GNUnet, this and the next one
	"zkey.":        true,
	"bit.":         true, // Namecoin
	"eth.":         true, // Ethereum Name Service
	"loki.":        true, // Lokinet, this and the next one
	"snode.":       true,
	"ygg.":         true, // Yggdrasil, this and the next two
	"meship.":      true,
	"meshname.":    true,
	"hype.":        true, // cjdns
	"dn42.":        true,
	"ipfs.":        true, // IPFS, this and the next one
	"ipns.":        true,
	"arpa.":        true, // RFC 8375, 6303, 9462; complete public addresses are taken out before
}

// HomeAddr reports whether a is reached in the house or nowhere, so that it is
// no destination for Tor. The virtual addresses of onions are not home.
func (r *Resolver) HomeAddr(a netip.Addr) bool { return r.state.Load().home(a) }

// HomeName reports whether name must not be asked of Tor: a special-use name,
// a single label, no possible host name, or a name in a dns.forward domain.
func (r *Resolver) HomeName(name string) bool {
	q := dns.Question{Name: dns.CanonicalName(name), Qtype: dns.TypeA, Qclass: dns.ClassINET}
	if _, ok := dns.IsDomainName(q.Name); !ok {
		return true
	}
	s := r.state.Load()
	if n, known := zoneOf(s.names, q.Name); known && !n.Box && inZone(q.Name, n.Onion.Host()+".") {
		return false // a friend's, whose name has an answer of its own
	}
	to := s.route(netip.Addr{}, q).to
	return to != toTor && to != toOnion
}
