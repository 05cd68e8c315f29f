package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

const (
	torRecords = 16               // of one answer are taken; tor sends one
	onionTTL   = 60 * time.Second // a restarted tor maps the name elsewhere
)

// public asks Tor for a public name on behalf of device.
//
// tor says NXDOMAIN also for a name that has addresses of the other family
// only. Programs take that for "no such name" and give up, so NXDOMAIN is
// passed on only if tor says it for both families. Both are asked at once:
// programs want both anyway, and a name that does not exist takes tor one turn.
// The other family's answer is waited for only if the first is NXDOMAIN; it
// keeps its place until it is there, and is remembered.
func (r *Resolver) public(p *place, s *state, device netip.Addr, q dns.Question) (answer, error) {
	ctx, cancel := context.WithTimeout(p.ctx, r.timeout)
	defer cancel()
	who := s.cache.owner(device) // for both questions: somebody else may have the address in a moment
	if q.Qtype == dns.TypePTR {
		return r.cachedPublic(ctx, s, who, q)
	}
	beside := make(chan bool, 1)
	p.users.Add(1)
	go func() {
		defer p.leave()
		defer r.survive()
		ctx, cancel := context.WithTimeout(p.ctx, r.timeout)
		defer cancel()
		b, err := r.cachedPublic(ctx, s, who, otherFamily(q))
		beside <- err == nil && b.rcode == dns.RcodeNameError
	}()
	a, err := r.cachedPublic(ctx, s, who, q)
	if err != nil || a.rcode != dns.RcodeNameError {
		return a, err
	}
	select {
	case neither := <-beside:
		return a.unless(!neither), nil
	case <-ctx.Done():
		return a.unless(true), nil
	}
}

// otherFamily is the question for addresses of the other family.
func otherFamily(q dns.Question) dns.Question {
	if q.Qtype == dns.TypeA {
		q.Qtype = dns.TypeAAAA
	} else {
		q.Qtype = dns.TypeA
	}
	return q
}

// unless turns "no such name" into "nothing of this type" for a name that may exist.
func (a answer) unless(exists bool) answer {
	if exists {
		a.rcode = dns.RcodeSuccess
	}
	return a
}

// remembered is public from the cache alone.
func (s *state) remembered(device netip.Addr, q dns.Question, now time.Time) (answer, bool) {
	a, ok := s.cache.get(device, keyOf(q), now)
	if !ok || a.rcode != dns.RcodeNameError || q.Qtype == dns.TypePTR {
		return a, ok
	}
	b, ok := s.cache.get(device, keyOf(otherFamily(q)), now)
	return a.unless(b.rcode != dns.RcodeNameError), ok
}

// cachedPublic is public without the look at the other family. A question that
// the same device has under way is not sent twice.
func (r *Resolver) cachedPublic(ctx context.Context, s *state, who owner, q dns.Question) (answer, error) {
	key := keyOf(q)
	if a, ok := s.cache.got(who, key, time.Now()); ok {
		return a, nil
	}
	flight := fmt.Sprintf("%p %v %d %s", s, who, key.qtype, key.name)
	v, err, _ := r.flights.Do(flight, func() (any, error) {
		reply, err := r.askTor(ctx, who.addr, q)
		if err != nil {
			return nil, err
		}
		a := s.publicAnswer(reply, q)
		s.cache.put(who, key, a, time.Now())
		return a, nil
	})
	if err != nil {
		return answer{}, err
	}
	return v.(answer), nil
}

// onion asks tor for the virtual address of an onion. Nothing is cached: tor
// answers from memory, and only it knows how long the address holds.
func (r *Resolver) onion(ctx context.Context, s *state, device netip.Addr, q dns.Question) (answer, error) {
	if !r.onions.take(r.Devices.Of(device), dns.CanonicalName(q.Name)) {
		return answer{}, errOnions
	}
	reply, err := r.askTor(ctx, device, q)
	if err != nil {
		return answer{}, err
	}
	rrs, ttl := records(reply, q, func(rr dns.RR) bool {
		a, ok := addrOf(rr)
		return ok && s.virtual(a)
	})
	if len(rrs) == 0 && (reply.Rcode != dns.RcodeSuccess || len(reply.Answer) > 0) {
		return answer{}, fmt.Errorf("mapping an onion name: tor gave no address of the virtual range")
	}
	return answer{rcode: dns.RcodeSuccess, rrs: rrs, ttl: min(ttl, onionTTL)}, nil
}

// askTor puts one question to tor's DNSPort. It is not sent twice: on loopback
// no datagram is lost, and a second one would be a second stream.
func (r *Resolver) askTor(ctx context.Context, device netip.Addr, q dns.Question) (*dns.Msg, error) {
	conn, err := r.DialTor(ctx, device)
	if err != nil {
		return nil, fmt.Errorf("reaching tor: %w", err)
	}
	defer conn.Close()
	q.Name = dns.CanonicalName(q.Name)
	reply, err := exchange(ctx, conn, ask(q))
	if err != nil {
		return nil, fmt.Errorf("asking tor: %w", err)
	}
	switch reply.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
		return reply, nil
	}
	return nil, fmt.Errorf("asking tor: it answered %s", dns.RcodeToString[reply.Rcode])
}

// publicAnswer takes from a reply what an exit may say about a public name:
// records of the type asked for, and no address that lies in the house or is
// virtual, or a web site could reach the household through a name (rebinding).
func (s *state) publicAnswer(reply *dns.Msg, q dns.Question) answer {
	rrs, ttl := records(reply, q, func(rr dns.RR) bool {
		if q.Qtype == dns.TypePTR {
			ptr, ok := rr.(*dns.PTR)
			return ok && hostName(dns.CanonicalName(ptr.Ptr))
		}
		a, ok := addrOf(rr)
		return ok && !a.Is4In6() && !s.home(a) && !s.virtual(a)
	})
	if len(rrs) == 0 {
		return answer{rcode: reply.Rcode, ttl: negativeTTL}
	}
	return answer{rcode: dns.RcodeSuccess, rrs: rrs, ttl: ttl}
}

// records returns the records of the asked type that keep accepts, and the
// shortest of their times to live within the bounds of the cache.
func records(reply *dns.Msg, q dns.Question, keep func(dns.RR) bool) ([]dns.RR, time.Duration) {
	var rrs []dns.RR
	ttl := maxTTL
	for _, rr := range reply.Answer {
		h := rr.Header()
		if h.Rrtype != q.Qtype || h.Class != dns.ClassINET || len(rrs) == torRecords || !keep(rr) {
			continue
		}
		rrs = append(rrs, rr)
		ttl = min(ttl, time.Duration(h.Ttl)*time.Second)
	}
	return rrs, max(ttl, minTTL)
}
