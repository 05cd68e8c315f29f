package resolver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	maxRecords     = 256             // of one answer are taken
	maxCachedBytes = 4096            // a longer answer is not kept
	maxNegativeTTL = 5 * time.Minute // of what is not there, however long its zone says (RFC 2308)

	padBlock = 128 // questions are padded to a multiple of it, in bytes (RFC 8467, section 4.1)
)

// full asks the TLS server for any type of record on behalf of device.
func (r *Resolver) full(ctx context.Context, s *state, device netip.Addr, req *dns.Msg) (answer, error) {
	key := fullKey(req)
	who := s.cache.owner(device)
	if a, ok := s.cache.got(who, key, time.Now()); ok {
		return a, nil // it came while this question waited for its turn
	}
	flight := fmt.Sprintf("full %p %v %+v", s, who, key)
	v, err, _ := r.flights.Do(flight, func() (any, error) {
		reply, err := s.pool.exchange(ctx, device, fullQuestion(req))
		if err != nil {
			return nil, fmt.Errorf("asking the resolver: %w", err)
		}
		a, err := s.fullAnswer(reply, req.Question[0])
		if err == nil && reply.Len() <= maxCachedBytes {
			s.cache.put(who, key, a, time.Now())
		}
		return a, err
	})
	if err != nil {
		return answer{}, err
	}
	return v.(answer), nil
}

// fullKey tells answers with proofs from those without.
func fullKey(req *dns.Msg) question {
	key := keyOf(req.Question[0])
	key.proofs, key.unchecked = wantsProofs(req), req.CheckingDisabled
	return key
}

// wantsProofs reports whether the device wants DNSSEC records (RFC 3225).
func wantsProofs(req *dns.Msg) bool {
	opt := req.IsEdns0()
	return opt != nil && opt.Do()
}

// fullQuestion makes the question for the server: of what the device sent, only
// what changes the answer goes on, in the one spelling that all devices have.
func fullQuestion(req *dns.Msg) *dns.Msg {
	q := req.Question[0]
	q.Name = dns.CanonicalName(q.Name)
	m := ask(q)
	m.CheckingDisabled, m.AuthenticatedData = req.CheckingDisabled, true
	m.SetEdns0(ednsSize, wantsProofs(req))
	pad(m)
	return m
}

// pad hides the length of the name.
func pad(m *dns.Msg) {
	const optionHeader = 4
	have := m.Len() + optionHeader
	opt := m.IsEdns0()
	opt.Option = append(opt.Option, &dns.EDNS0_PADDING{Padding: make([]byte, (padBlock-have%padBlock)%padBlock)})
}

// fullAnswer takes what the server may say about a public name: nothing that
// leads into the house, and nothing beside the question.
func (s *state) fullAnswer(reply *dns.Msg, q dns.Question) (answer, error) {
	switch reply.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	default:
		return answer{}, fmt.Errorf("asking the resolver: it answered %s", dns.RcodeToString[reply.Rcode])
	}
	a := answer{rcode: reply.Rcode, full: true, secure: reply.AuthenticatedData, ttl: maxTTL}
	inside := s.insideFor(q.Name)
	for _, rr := range reply.Answer {
		if rr = outside(rr, inside); rr == nil || !whole(rr) {
			continue
		}
		a.rrs = append(a.rrs, rr)
		a.ttl = min(a.ttl, time.Duration(rr.Header().Ttl)*time.Second)
	}
	if len(a.rrs) > maxRecords || len(reply.Ns) > maxRecords {
		return answer{}, fmt.Errorf("asking the resolver: it answered %d records", len(a.rrs)+len(reply.Ns))
	}
	if !slices.ContainsFunc(a.rrs, func(rr dns.RR) bool { return rr.Header().Rrtype == q.Qtype }) {
		a.ttl = min(a.ttl, negative(reply.Ns))
	}
	a.ns = slices.DeleteFunc(reply.Ns, func(rr dns.RR) bool { return !whole(rr) })
	a.ttl = max(a.ttl, minTTL)
	return a, nil
}

// whole reports whether a record can be sent on: one without any data, as
// updates have them (RFC 2136), would become one that cannot be read.
func whole(rr dns.RR) bool {
	return rr.Header().Class == dns.ClassINET && rr.Header().Rdlength > 0
}

// negative is how long it holds that something is not there (RFC 2308,
// section 5).
func negative(ns []dns.RR) time.Duration {
	for _, rr := range ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(time.Duration(min(soa.Hdr.Ttl, soa.Minttl))*time.Second, maxNegativeTTL)
		}
	}
	return negativeTTL
}

// insideFor returns which addresses lead into the house, or nowhere, where the
// answer about a name may not lead: with them, a web site could reach the
// household through a name (rebinding). The owner may let a domain have private
// addresses; it is the name that was asked that counts, not one that it points
// to. None gets the addresses of loopback, of links and of onions.
func (s *state) insideFor(name string) func(netip.Addr) bool {
	_, allowed := zoneOf(s.private, dns.CanonicalName(name))
	return func(a netip.Addr) bool {
		if a.Is4In6() || s.virtual(a) || a.IsLoopback() || a.IsLinkLocalUnicast() {
			return true
		}
		return s.home(a) && !(allowed && (a.IsPrivate() || s.household(a)))
	}
}

// outside returns a record without addresses that are inside, or nil.
func outside(rr dns.RR, inside func(netip.Addr) bool) dns.RR {
	if a, ok := addrOf(rr); ok {
		if inside(a) {
			return nil
		}
		return rr
	}
	switch rr := rr.(type) {
	case *dns.HTTPS:
		dropHints(&rr.SVCB, inside)
	case *dns.SVCB:
		dropHints(rr, inside)
	}
	return rr
}

// dropHints takes such addresses out of a service's hints (RFC 9460,
// section 7.3). A hint without any is no hint.
func dropHints(rr *dns.SVCB, inside func(netip.Addr) bool) {
	drop := func(ip net.IP) bool {
		a, ok := netip.AddrFromSlice(ip)
		return !ok || inside(a.Unmap())
	}
	rr.Value = slices.DeleteFunc(rr.Value, func(v dns.SVCBKeyValue) bool {
		switch hint := v.(type) {
		case *dns.SVCBIPv4Hint:
			hint.Hint = slices.DeleteFunc(hint.Hint, drop)
			return len(hint.Hint) == 0
		case *dns.SVCBIPv6Hint:
			hint.Hint = slices.DeleteFunc(hint.Hint, drop)
			return len(hint.Hint) == 0
		}
		return false
	})
}

// fillFull puts a full answer into m.
func fillFull(m *dns.Msg, q dns.Question, a answer) {
	m.Rcode = a.rcode
	m.Answer = a.copied(q, a.rrs)
	m.Ns = a.copied(q, a.ns)
}

// copied returns records that may be changed, with the time that they still
// hold, and the question's name as the device wrote it.
func (a answer) copied(q dns.Question, rrs []dns.RR) []dns.RR {
	var out []dns.RR
	for _, rr := range rrs {
		rr = dns.Copy(rr)
		h := rr.Header()
		h.Ttl = seconds(a.ttl)
		if strings.EqualFold(h.Name, q.Name) {
			h.Name = q.Name
		}
		out = append(out, rr)
	}
	return out
}

func seconds(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }
