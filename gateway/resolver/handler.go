package resolver

import (
	"context"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/device"
)

// ednsSize is the largest datagram that is sent and asked for, in bytes: it
// passes every network without fragments (DNS flag day 2020).
const ednsSize = 1232

// handler answers the questions of one Serve.
type handler struct {
	*Resolver
	ctx context.Context // ends questions under way when Serve ends
	box bool            // questions are of programs of the box itself
}

// who is the device that a question from an address is of.
func (h handler) who(a netip.Addr) netip.Addr {
	if h.box {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return identity(a)
}

// accept is asked about the header of each message before it is parsed. A
// response gets no answer at all: two servers could answer each other for ever.
func accept(h dns.Header) dns.MsgAcceptAction {
	const response, opcodeShift, opcodeMask = 1 << 15, 11, 0xf
	switch {
	case h.Bits&response != 0:
		return dns.MsgIgnore
	case int(h.Bits>>opcodeShift)&opcodeMask != dns.OpcodeQuery:
		return dns.MsgRejectNotImplemented
	case h.Qdcount != 1, h.Ancount != 0, h.Nscount != 0, h.Arcount > 2:
		return dns.MsgReject
	}
	return dns.MsgAccept
}

// ServeDNS answers one message that came by TCP. A panic costs this question only.
func (h handler) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	defer h.survive()
	h.counts.queries.Add(1)
	t, done := h.begin(h.who(device.Addr(w.RemoteAddr())), req)
	if !done {
		t.finish()
	}
	w.Write(h.close(&t, true, nil))
}

// survive is deferred where strangers' bytes are handled.
func (r *Resolver) survive() {
	if recover() != nil {
		r.counts.panics.Add(1)
		r.Log.Error("answering a DNS question panicked", "stack", string(debug.Stack()))
	}
}

// close returns the bytes of an answer, in room if there is enough; none for a device
// that shall ask again.
func (h handler) close(t *turn, tcp bool, room []byte) []byte {
	if t.m.Rcode == dns.RcodeServerFailure {
		h.counts.failed.Add(1)
	}
	if t.m.Rcode == rcodeBusy {
		h.counts.refused.Add(1)
		if !tcp {
			return nil // the device asks again; an answer would make it give up
		}
		t.m.Rcode = dns.RcodeRefused
	}
	return pack(t.m, t.req, tcp, room)
}

// rcodeBusy stands for a question beyond the limits; it is never sent.
const rcodeBusy = -1

// turn is a question that is being answered.
type turn struct {
	h      handler
	s      *state
	device netip.Addr
	req, m *dns.Msg
	to     route
	known  bool // m has the answer; the way to what is in it may not be open yet
	steady bool // the same question has the same answer for as long as what it is from
	place  *place
}

// reply makes the answer to a message with one question, not yet cut to size.
func (h handler) reply(device netip.Addr, req *dns.Msg) *dns.Msg {
	t, done := h.begin(device, req)
	if !done {
		t.finish()
	}
	return t.m
}

// begin makes the answer from what is here already, and reports whether that was all.
// It waits for nobody.
func (h handler) begin(device netip.Addr, req *dns.Msg) (t turn, done bool) {
	m := new(dns.Msg).SetReply(req)
	m.RecursionAvailable = true
	t = turn{h: h, s: h.state.Load(), device: device, req: req, m: m}
	if opt := req.IsEdns0(); opt != nil && opt.Version() != 0 {
		m.Rcode = dns.RcodeBadVers
		return t, true
	}
	if len(req.Question) != 1 || tooManyOPT(req) { // a header can promise a question that is not there
		m.Rcode = dns.RcodeFormatError
		return t, true
	}
	q := req.Question[0]
	if t.s.filter != nil && t.s.filter.arrived(q.Name, device) {
		m.Rcode = dns.RcodeNameError
		return t, true
	}
	t.to = t.s.route(device, q)
	if t.to.to == toNobody {
		m.Rcode, m.Answer, t.steady = t.to.rcode, t.to.rrs, true
		return t, true
	}
	beside := t.to.to == toBeside
	if (beside || t.to.public()) && h.blocked(t.s, device, q.Name) {
		h.counts.blocked.Add(1)
		m.Rcode = dns.RcodeNameError
		return t, true
	}
	if beside {
		h.beside(&t)
		return t, true
	}
	t.known = h.fromCache(m, t.s, device, req, t.to)
	if t.known && !t.s.bypassed(q.Name) {
		t.steady = true
		return t, true
	}
	t.place = h.enter(device)
	if t.place == nil && !t.known {
		m.Rcode = rcodeBusy
	}
	return t, t.place == nil
}

// finish makes the answer of a turn for which begin was not enough.
func (t *turn) finish() {
	defer t.place.leave()
	if !t.known {
		t.h.fetch(t)
	}
	if t.to.public() {
		t.h.letThrough(t.s, t.device, t.req.Question[0], t.m)
	}
}

// place is one of those that a device has for questions that wait. It is free again
// when all that was asked for the question has ended.
type place struct {
	ctx    context.Context // ends when the place is taken away
	cancel context.CancelFunc
	free   func()
	users  atomic.Int32
}

// enter returns nil when a device has as many questions waiting as it may.
func (h handler) enter(device netip.Addr) *place {
	p := new(place)
	p.ctx, p.cancel = context.WithCancel(h.ctx)
	var ok bool
	if p.free, ok = h.queries.Enter(h.Devices.Of(device), p.cancel); !ok {
		p.cancel()
		return nil
	}
	p.users.Store(1)
	return p
}

// leave is called once by each user.
func (p *place) leave() {
	if p.users.Add(-1) == 0 {
		p.cancel()
		p.free()
	}
}

// fromCache fills m in with what Tor has said before, and reports whether it
// had said all that there is to say.
func (h handler) fromCache(m *dns.Msg, s *state, device netip.Addr, req *dns.Msg, to route) bool {
	if to.to != toTor {
		return false
	}
	var a answer
	var ok bool
	if s.pool != nil {
		a, ok = s.cache.get(device, fullKey(req), time.Now())
	} else {
		a, ok = s.remembered(device, req.Question[0], time.Now())
	}
	if ok {
		h.counts.cached.Add(1)
		fill(m, req, a)
	}
	return ok
}

// tooManyOPT: more than one is an error (RFC 6891, section 6.1.1).
func tooManyOPT(req *dns.Msg) bool {
	n := 0
	for _, rr := range req.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			n++
		}
	}
	return n > 1
}

// fetch asks upstream and fills m in. Any failure is SERVFAIL: no second
// place is asked.
func (h handler) fetch(t *turn) {
	ctx, cancel := context.WithTimeout(t.place.ctx, h.timeout)
	defer cancel()
	m, s, req, device := t.m, t.s, t.req, t.device
	q, to := req.Question[0], t.to
	var a answer
	var err error
	switch to.to {
	case toForward:
		var reply *dns.Msg
		if reply, err = h.forward(ctx, to.server, req); err == nil {
			copyForward(m, reply)
			return
		}
	case toOnion:
		q.Name = to.name
		a, err = h.onion(ctx, s, device, q)
	case toFilter:
		a, err = h.filtered(ctx, s, req)
	case toTor:
		if s.pool != nil {
			a, err = h.full(ctx, s, device, req)
		} else {
			a, err = h.public(t.place, s, device, q)
		}
	}
	if err != nil {
		m.Rcode = dns.RcodeServerFailure
		return
	}
	fill(m, req, a)
}

// fill puts an answer of Tor's into m, under the name as the device wrote it.
// That signatures were checked is for those who ask (RFC 6840, section 5.7).
func fill(m, req *dns.Msg, a answer) {
	q := req.Question[0]
	if a.full {
		fillFull(m, q, a)
		m.AuthenticatedData = a.secure && (req.AuthenticatedData || wantsProofs(req))
		return
	}
	m.Rcode = a.rcode
	for _, rr := range a.rrs {
		rr = dns.Copy(rr)
		rr.Header().Name = q.Name
		rr.Header().Ttl = seconds(a.ttl)
		m.Answer = append(m.Answer, rr)
	}
}

// pack returns the reply's bytes, cut to what the client takes: 512 bytes over
// UDP unless it says otherwise (RFC 1035, section 4.2.1; RFC 6891). They are in room if
// there is enough.
func pack(m, req *dns.Msg, tcp bool, room []byte) []byte {
	size := dns.MinMsgSize
	if opt := req.IsEdns0(); opt != nil {
		m.SetEdns0(ednsSize, opt.Do())
		size = min(max(int(opt.UDPSize()), dns.MinMsgSize), ednsSize)
	}
	if tcp {
		size = dns.MaxMsgSize
	}
	m.Compress = len(m.Answer)+len(m.Ns) > 0 // without records there is nothing to compress
	b, err := m.PackBuffer(room)
	if err == nil && len(b) > size {
		m.Truncate(size)
		b, err = m.PackBuffer(room)
	}
	if err == nil {
		return b
	}
	failed := new(dns.Msg).SetRcode(req, dns.RcodeServerFailure)
	b, _ = failed.Pack() // it has only the question, which was parsed before
	return b
}
