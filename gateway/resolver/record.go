package resolver

import (
	"net/netip"

	"github.com/miekg/dns"
)

// header is that of a record made here in answer to q.
func header(q dns.Question, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: q.Name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: localTTL}
}

// addressRRs returns records for the family that q asks for, or none.
func addressRRs(q dns.Question, v4, v6 []netip.Addr) []dns.RR {
	var rrs []dns.RR
	switch q.Qtype {
	case dns.TypeA:
		for _, a := range v4 {
			rrs = append(rrs, &dns.A{Hdr: header(q, dns.TypeA), A: a.AsSlice()})
		}
	case dns.TypeAAAA:
		for _, a := range v6 {
			rrs = append(rrs, &dns.AAAA{Hdr: header(q, dns.TypeAAAA), AAAA: a.AsSlice()})
		}
	}
	return rrs
}

func pointerRRs(q dns.Question, target string) []dns.RR {
	if q.Qtype != dns.TypePTR {
		return nil
	}
	return []dns.RR{&dns.PTR{Hdr: header(q, dns.TypePTR), Ptr: target}}
}

// addrOf returns the address in an A or AAAA record.
func addrOf(rr dns.RR) (netip.Addr, bool) {
	switch rr := rr.(type) {
	case *dns.A:
		a, ok := netip.AddrFromSlice(rr.A)
		return a.Unmap(), ok
	case *dns.AAAA:
		return netip.AddrFromSlice(rr.AAAA)
	}
	return netip.Addr{}, false
}
