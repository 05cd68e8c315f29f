package resolver

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// FuzzFullAnswer: whatever a TLS server says, no address in the house reaches
// a device, in no record and no hint, and every answer can be sent.
func FuzzFullAnswer(f *testing.F) {
	q := dns.Question{Name: "a.example.com.", Qtype: dns.TypeHTTPS, Qclass: dns.ClassINET}
	for _, text := range []string{
		"a.example.com. 1 A 192.168.77.1", "a.example.com. 1 AAAA ::ffff:10.0.0.1", "a.example.com. 60 A 93.184.216.34",
		`a.example.com. 1 HTTPS 1 . ipv4hint="192.168.77.1,93.184.216.34" ipv6hint="fd77::1"`, "a.example.com. 1 SVCB 0 b.example.com.",
	} {
		m := &dns.Msg{Question: []dns.Question{q}, Answer: []dns.RR{rr(text)},
			Ns: []dns.RR{rr("example.com. 3600 SOA ns. host. 1 2 3 4 120")}}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	s, err := newState(Options{}, testConfig)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply := new(dns.Msg)
		if reply.Unpack(packet) != nil {
			return
		}
		a, err := s.fullAnswer(reply, q)
		if err != nil {
			return
		}
		if a.ttl < minTTL || a.ttl > maxTTL {
			t.Errorf("it holds %v", a.ttl)
		}
		req := &dns.Msg{Question: []dns.Question{q}}
		m := new(dns.Msg).SetReply(req)
		fill(m, req, a)
		for _, r := range m.Answer {
			for _, addr := range addresses(r) {
				if s.home(addr) || s.virtual(addr) {
					t.Errorf("%v leads into the house", r)
				}
			}
		}
		if err := new(dns.Msg).Unpack(pack(m, req, true, nil)); err != nil {
			t.Errorf("the answer cannot be read: %v\n%v", err, m)
		}
	})
}

// addresses are all that a device could dial because of the record.
func addresses(r dns.RR) []netip.Addr {
	if a, ok := addrOf(r); ok {
		return []netip.Addr{a}
	}
	var hints []dns.SVCBKeyValue
	switch r := r.(type) {
	case *dns.HTTPS:
		hints = r.Value
	case *dns.SVCB:
		hints = r.Value
	}
	var found []netip.Addr
	for _, hint := range hints {
		switch hint := hint.(type) {
		case *dns.SVCBIPv4Hint:
			for _, ip := range hint.Hint {
				a, _ := netip.AddrFromSlice(ip)
				found = append(found, a.Unmap())
			}
		case *dns.SVCBIPv6Hint:
			for _, ip := range hint.Hint {
				a, _ := netip.AddrFromSlice(ip)
				found = append(found, a.Unmap())
			}
		}
	}
	return found
}
