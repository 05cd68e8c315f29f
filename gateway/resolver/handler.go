package resolver

import (
	"context"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/miekg/dns"
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

// ServeDNS answers one message. A panic costs this question only.
func (h handler) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	defer func() {
		if recover() != nil {
			h.counts.panics.Add(1)
			h.Log.Error("answering a DNS question panicked", "stack", string(debug.Stack()))
		}
	}()
	h.counts.queries.Add(1)
	device := deviceOf(w.RemoteAddr())
	if h.box {
		device = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	_, tcp := w.RemoteAddr().(*net.TCPAddr)
	reply := h.reply(device, req)
	if reply.Rcode == dns.RcodeServerFailure {
		h.counts.failed.Add(1)
	}
	if reply.Rcode == rcodeBusy {
		h.counts.refused.Add(1)
		if !tcp {
			return // the device asks again; an answer would make it give up
		}
		reply.Rcode = dns.RcodeRefused
	}
	w.Write(pack(reply, req, tcp))
}

// deviceOf returns the address that identifies a device.
func deviceOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// rcodeBusy stands for a question beyond the limits; it is never sent.
const rcodeBusy = -1

// reply makes the answer to a message with one question, not yet cut to size.
func (h handler) reply(device netip.Addr, req *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(req)
	m.RecursionAvailable = true
	m.Compress = true
	if opt := req.IsEdns0(); opt != nil && opt.Version() != 0 {
		m.Rcode = dns.RcodeBadVers
		return m
	}
	if tooManyOPT(req) {
		m.Rcode = dns.RcodeFormatError
		return m
	}
	s, q := h.state.Load(), req.Question[0]
	if s.filter != nil && s.filter.arrived(q.Name, device) {
		m.Rcode = dns.RcodeNameError
		return m
	}
	to := s.route(device, q)
	public := to.to == toTor || to.to == toFilter
	if to.to == toNobody {
		m.Rcode, m.Answer = to.rcode, to.rrs
		return m
	}
	if public && h.blocked(s, device, q.Name) {
		h.counts.blocked.Add(1)
		m.Rcode = dns.RcodeNameError
		return m
	}
	known := h.fromCache(m, s, device, req, to)
	if known && len(s.bypass) == 0 {
		return m
	}
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	leave, ok := h.queries.Enter(h.Devices.Of(device), cancel)
	if !ok {
		if !known {
			m.Rcode = rcodeBusy
		}
		return m
	}
	defer leave()
	if !known {
		h.fetch(ctx, m, s, device, req, to)
	}
	if public {
		h.letThrough(s, device, q, m)
	}
	return m
}

// fromCache fills m in with what Tor has said before, and reports whether it
// had said that the name has what is asked for.
func (h handler) fromCache(m *dns.Msg, s *state, device netip.Addr, req *dns.Msg, to route) bool {
	if to.to != toTor {
		return false
	}
	key := keyOf(req.Question[0])
	if s.pool != nil {
		key = fullKey(req)
	}
	a, ok := s.cache.get(device, key, time.Now())
	if !ok || len(a.rrs) == 0 {
		return false
	}
	h.counts.cached.Add(1)
	fill(m, req, a)
	return true
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
func (h handler) fetch(ctx context.Context, m *dns.Msg, s *state, device netip.Addr, req *dns.Msg, to route) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	q := req.Question[0]
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
			a, err = h.public(ctx, s, device, q)
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
// UDP unless it says otherwise (RFC 1035, section 4.2.1; RFC 6891).
func pack(m, req *dns.Msg, tcp bool) []byte {
	size := dns.MinMsgSize
	if opt := req.IsEdns0(); opt != nil {
		m.SetEdns0(ednsSize, opt.Do())
		size = min(max(int(opt.UDPSize()), dns.MinMsgSize), ednsSize)
	}
	if tcp {
		size = dns.MaxMsgSize
	}
	m.Truncate(size)
	if b, err := m.Pack(); err == nil {
		return b
	}
	failed := new(dns.Msg).SetRcode(req, dns.RcodeServerFailure)
	b, _ := failed.Pack() // it has only the question, which was parsed before
	return b
}
