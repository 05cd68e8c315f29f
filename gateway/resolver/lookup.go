package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// ErrNotHome is in the error of LookupHome for a name that no dns.forward
// domain covers.
var ErrNotHome = errors.New("no server in the house answers for it")

// lookupTimeout is for a server that is near.
const lookupTimeout = 4 * time.Second

// LookupHome asks the dns.forward server of a name for its addresses, those of
// IPv4 first. It asks nobody else, and returns only addresses that are of the
// house: an answer that leads out of it is none. ttl is how long the answer
// holds.
func (r *Resolver) LookupHome(ctx context.Context, name string) (addrs []netip.Addr, ttl time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	s := r.state.Load()
	name = dns.Fqdn(name)
	server, ok := zoneOf(s.forward, dns.CanonicalName(name))
	if !ok {
		return nil, 0, ErrNotHome
	}
	var errs []error
	lowest := uint32(localTTL)
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		q := dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}
		reply, err := r.forward(ctx, server, &dns.Msg{Question: []dns.Question{q}})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, rr := range reply.Answer {
			if a, ok := addressOf(rr); ok && s.inHouse(a) {
				addrs = append(addrs, a)
				lowest = min(lowest, rr.Header().Ttl)
			}
		}
	}
	if len(addrs) == 0 {
		return nil, 0, errors.Join(append(errs, fmt.Errorf("the server %s knows no address in the house for it", server))...)
	}
	return addrs, time.Duration(lowest) * time.Second, nil
}

// addressOf is the address in an A or AAAA record.
func addressOf(rr dns.RR) (a netip.Addr, ok bool) {
	switch rr := rr.(type) {
	case *dns.A:
		a, ok = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		a, ok = netip.AddrFromSlice(rr.AAAA)
	}
	return a.Unmap(), ok
}

// inHouse reports whether a can be that of a host in the house: on one of its
// networks, or an address that is used in houses only. Those of the machine
// itself, of a link without a name for it, and virtual ones are none.
func (s *state) inHouse(a netip.Addr) bool {
	if !a.IsValid() || a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || s.virtual(a) {
		return false
	}
	for _, p := range s.config.Box {
		if p.Masked().Contains(a) {
			return true
		}
	}
	return a.IsPrivate()
}
