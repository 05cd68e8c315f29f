package resolver

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	maxImages     = 512 // of one reader in all, and as many that were used before
	maxImageBytes = 512 // a longer answer is made each time
)

// images are answers as they were sent, for the same question of the same address: only
// its number, the spelling of its name and the times to live differ. They belong to one
// reader. What is in them is what the state and its cache would say: they are dropped
// with these (see renew), and hold no longer.
type images struct {
	state    *state
	forgot   uint64            // Resolver.forgot when they began
	now      time.Time         // when what is being answered was read
	of       map[string]*image // by imageKey
	before   map[string]*image // those that of had when it was full
	key      []byte            // of the question that is being answered; empty: it has no image
	nameEnds int               // in the question
}

// image is one answer.
type image struct {
	bytes   []byte
	ttls    []int     // where in bytes a time to live counts down
	expires time.Time // zero: it lasts as long as the state
	known   bool      // it is of what Tor has said
	mac     string    // then the hardware address of the device to which it was said
	public  string    // and the name, for Options.Blocked
}

// renew is called for each batch, before any of its questions is answered: what was
// forgotten in the meantime is in no image then.
func (g *images) renew(r *Resolver) {
	forgot := r.forgot.Load() // before the state: see Resolver.Forget
	if s := r.state.Load(); s != g.state || forgot != g.forgot || g.of == nil {
		g.state, g.forgot = s, forgot
		g.of, g.before = make(map[string]*image), nil
	}
	g.now = time.Now()
}

// look sets the key of a question, and returns its image, or nil.
func (g *images) look(from netip.Addr, b []byte) *image {
	g.key = g.key[:0]
	if g.nameEnds = questionName(b); g.nameEnds == 0 || g.state.filter != nil {
		return nil
	}
	address := from.As16()
	g.key = append(g.key, address[:]...)
	g.key = append(g.key, b[2:]...)
	name := g.key[len(address)+headerSize-2 : len(address)+g.nameEnds-2]
	for i, c := range name { // a length is no letter
		if 'A' <= c && c <= 'Z' {
			name[i] = c + 'a' - 'A'
		}
	}
	at, ok := g.of[string(g.key)]
	if !ok {
		if at, ok = g.before[string(g.key)]; !ok {
			return nil
		}
		g.keep(at)
	}
	if !at.expires.IsZero() && !g.now.Before(at.expires) {
		return nil
	}
	return at
}

// headerSize is that of a message (RFC 1035, section 4.1.1).
const headerSize = 12

// questionName returns where the name ends in a question of the plainest kind, as nearly
// all are, and 0 for others: what follows its type and class is EDNS without options at most.
func questionName(b []byte) (end int) {
	const typeAndClass, plainEDNS, counts, longestLabel = 4, 11, 4, 63
	if len(b) <= headerSize || binary.BigEndian.Uint32(b[counts:]) != 1<<16 || binary.BigEndian.Uint16(b[8:]) != 0 {
		return 0
	}
	for at := headerSize; at < len(b) && b[at] <= longestLabel; at += 1 + int(b[at]) {
		if b[at] != 0 {
			continue
		}
		end = at + 1
		if rest := len(b) - end; rest == typeAndClass || rest == typeAndClass+plainEDNS {
			return end
		}
		break
	}
	return 0
}

// keep has what look did not find, or found among those before.
func (g *images) keep(at *image) {
	if len(g.of) >= maxImages {
		g.of, g.before = make(map[string]*image), g.of
	}
	g.of[string(g.key)] = at
}

// learn keeps the answer that was made to the question that look was asked about, if it
// is the same each time.
func (g *images) learn(t *turn, b []byte) {
	if !t.steady || len(g.key) == 0 || t.s != g.state || len(b) < g.nameEnds || len(b) > maxImageBytes {
		return
	}
	at := &image{bytes: append([]byte(nil), b...)}
	if t.known {
		q := t.req.Question[0]
		at.known, at.mac, at.public = true, t.h.Devices.MAC(t.device), strings.TrimSuffix(dns.CanonicalName(q.Name), ".")
		var ok bool
		if at.expires, ok = t.s.holds(t.device, t.req, g.now); !ok {
			return
		}
		if at.ttls, ok = timesToLive(b); !ok {
			return
		}
	}
	g.keep(at)
}

// holds returns until when what was remembered in answer to a question stays the answer.
func (s *state) holds(device netip.Addr, req *dns.Msg, now time.Time) (until time.Time, ok bool) {
	if s.pool != nil {
		a, ok := s.cache.get(device, fullKey(req), now)
		return now.Add(a.ttl), ok
	}
	q := req.Question[0]
	a, ok := s.cache.get(device, keyOf(q), now)
	if !ok || a.rcode != dns.RcodeNameError || q.Qtype == dns.TypePTR {
		return now.Add(a.ttl), ok
	}
	b, ok := s.cache.get(device, keyOf(otherFamily(q)), now) // see remembered
	return now.Add(min(a.ttl, b.ttl)), ok
}

// timesToLive returns where they are in a message, but for that of EDNS.
func timesToLive(b []byte) (at []int, ok bool) {
	const typeAndClass, afterQuestion = 4, 4
	h := headerOf(b)
	_, off, err := dns.UnpackDomainName(b, headerSize)
	off += afterQuestion
	for range int(h.Ancount) + int(h.Nscount) {
		var ttl int
		if err == nil {
			_, ttl, err = dns.UnpackDomainName(b, off)
		}
		if err == nil {
			_, off, err = dns.UnpackRR(b, off)
		}
		if err != nil {
			return nil, false
		}
		at = append(at, ttl+typeAndClass)
	}
	return at, err == nil
}

// again writes the answer to question b into room.
func (at *image) again(room, b []byte, nameEnds int, now time.Time) []byte {
	answer := room[:copy(room, at.bytes)]
	copy(answer, b[:2])
	copy(answer[headerSize:nameEnds], b[headerSize:nameEnds])
	if len(at.ttls) > 0 {
		ttl := seconds(at.expires.Sub(now))
		for _, where := range at.ttls {
			binary.BigEndian.PutUint32(answer[where:], ttl)
		}
	}
	return answer
}
