package resolver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

var errFake = errors.New("not in this test")

// packets are seeds: questions of every kind of route, and spoilt ones.
func packets(f *testing.F) {
	for _, name := range []string{
		"www.example.com.", "nas.lan.", testOnion + ".", "foo.onion.", "8.8.8.8.in-addr.arpa.", "box.home.arpa.",
		`a\000b.example.com.`, ".", "printer.", strings.Repeat("0.", 32) + "ip6.arpa.",
	} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypePTR, dns.TypeANY, dns.TypeOPT} {
			m := new(dns.Msg)
			m.SetQuestion(name, qtype)
			m.SetEdns0(700, true)
			b, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			f.Add(b[:len(b)/2])
		}
	}
	f.Add([]byte{})
}

// FuzzHandler: whatever a device sends, the answer is a message of the right
// size, and what tor or a server of the home is asked is theirs.
func FuzzHandler(f *testing.F) {
	packets(f)
	var dialledTor, dialledLAN atomic.Bool
	c := testConfig.Clone()
	c.Forward = []Forward{{"lan", netip.MustParseAddrPort("192.168.77.5:53")}}
	r, err := New(Options{
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
		DialTor: func(context.Context, netip.Addr) (net.Conn, error) { dialledTor.Store(true); return nil, errFake },
		DialForward: func(context.Context, string, netip.AddrPort) (net.Conn, error) {
			dialledLAN.Store(true)
			return nil, errFake
		},
	}, c)
	if err != nil {
		f.Fatal(err)
	}
	h := handler{Resolver: r, ctx: f.Context()}
	device := netip.MustParseAddr("192.168.77.10")
	f.Fuzz(func(t *testing.T, packet []byte) {
		req := new(dns.Msg)
		if refusal, ok := unpack(packet, req); !ok {
			if m := new(dns.Msg); len(refusal) > 0 && (m.Unpack(refusal) != nil || !m.Response || m.Rcode == dns.RcodeSuccess) {
				t.Errorf("%x was refused with %x", packet, refusal)
			}
			return
		}
		dialledTor.Store(false)
		dialledLAN.Store(false)
		b := pack(h.reply(device, req), req, false, nil)
		for r.queries.Open() > 0 { // the other family's question ends too
			runtime.Gosched()
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(b); err != nil || reply.Id != req.Id || !reply.Response || len(b) > ednsSize {
			t.Fatalf("%v: answer of %d bytes: %v, %v", req, len(b), reply, err)
		}
		if len(req.Question) == 0 {
			return // the header promised one
		}
		q := req.Question[0]
		name := dns.CanonicalName(q.Name)
		carried := q.Qtype == dns.TypeA || q.Qtype == dns.TypeAAAA || q.Qtype == dns.TypePTR
		if dialledTor.Load() && (!carried || q.Qclass != dns.ClassINET || dns.IsSubDomain("lan.", name) || strings.Contains(name, `\`)) {
			t.Errorf("tor was asked %v", &q)
		}
		if dialledLAN.Load() && !dns.IsSubDomain("lan.", name) {
			t.Errorf("the home's server was asked %v", &q)
		}
	})
}

// FuzzTorsAnswer: whatever comes back through Tor, no device learns of an
// address in the house from it.
func FuzzTorsAnswer(f *testing.F) {
	packets(f)
	m := torNames("a.example.com. 1 A 192.168.77.1", "a.example.com. 1 A 93.184.216.34")(
		dns.Question{Name: "a.example.com.", Qtype: dns.TypeA}, new(dns.Msg).SetQuestion("a.example.com.", dns.TypeA))
	b, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	s, err := newState(Options{}, testConfig)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply := new(dns.Msg)
		if reply.Unpack(packet) != nil {
			return
		}
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypePTR} {
			a := s.publicAnswer(reply, dns.Question{Name: "a.example.com.", Qtype: qtype, Qclass: dns.ClassINET})
			if a.ttl < minTTL || a.ttl > maxTTL || len(a.rrs) > torRecords {
				t.Errorf("%d records for %v", len(a.rrs), a.ttl)
			}
			for _, r := range a.rrs {
				if r.Header().Rrtype != qtype {
					t.Errorf("asked for %s: %v", dns.TypeToString[qtype], r)
				}
				if addr, ok := addrOf(r); ok && (s.home(addr) || s.virtual(addr)) {
					t.Errorf("the house: %v", r)
				}
			}
		}
	})
}
