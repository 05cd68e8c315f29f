package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Bounds of a bypass. The answer's time to live is also how long the device is
// let through to the addresses in it.
const (
	minBypassTTL = 30 * time.Second
	maxBypassTTL = 5 * time.Minute
	// grantWait is how long a device waits for its way to be open. When it is
	// not by then, it goes through Tor.
	grantWait = time.Second
)

// readDomains makes the domains ready for zoneOf.
func readDomains(domains []string) (map[string]string, error) {
	table := make(map[string]string)
	for _, d := range domains {
		name := dns.CanonicalName(d)
		if _, ok := dns.IsDomainName(d); !ok || name == "." || name == onionZone || strings.HasSuffix(name, "."+onionZone) {
			return nil, fmt.Errorf("%q is not a domain outside", d)
		}
		table[name] = d
	}
	return table, nil
}

// bypassed reports whether the owner lets devices reach a name outside Tor.
func (s *state) bypassed(name string) bool {
	if len(s.bypass) == 0 {
		return false
	}
	_, ok := zoneOf(s.bypass, dns.CanonicalName(name))
	return ok
}

// letThrough opens the way to the addresses in an answer if the owner lets
// devices reach its name outside Tor. What was found out about the addresses
// came through Tor as always.
func (h handler) letThrough(s *state, device netip.Addr, q dns.Question, m *dns.Msg) {
	domain, ok := zoneOf(s.bypass, dns.CanonicalName(q.Name))
	if !ok {
		return
	}
	var addrs []netip.Addr
	ttl := maxBypassTTL
	for _, rr := range m.Answer {
		if a, ok := addrOf(rr); ok {
			addrs = append(addrs, a)
			ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
		}
	}
	if len(addrs) == 0 {
		return
	}
	ttl = max(ttl, minBypassTTL)
	for _, rr := range m.Answer {
		rr.Header().Ttl = seconds(ttl)
	}
	ctx, cancel := context.WithTimeout(h.ctx, grantWait)
	defer cancel()
	if err := h.Grant(ctx, device, domain, addrs, ttl); err != nil {
		h.Log.Debug("a device was not let through to a bypass", "error", err)
	}
}
