package resolver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// BenchmarkAnswer is what one question costs that is answered by the reader: what Tor
// has said before, that it has said "no such name", and a name of the house.
func BenchmarkAnswer(b *testing.B) {
	r := quietResolver(b)
	reader := newReader(r)
	from := netip.MustParseAddr("192.168.77.10")
	now := time.Now()
	learn := func(name string, qtype uint16, a answer) {
		r.state.Load().cache.put(r.state.Load().cache.owner(from), question{name: name, qtype: qtype}, a, now)
	}
	learn("www.example.com.", dns.TypeA, answer{rrs: []dns.RR{rr("www.example.com. 300 A 93.184.216.34")}, ttl: time.Hour})
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		learn("none.example.com.", qtype, answer{rcode: dns.RcodeNameError, ttl: time.Hour})
	}
	for _, name := range []string{"www.example.com.", "none.example.com.", "box.home.arpa."} {
		question, err := new(dns.Msg).SetQuestion(name, dns.TypeA).Pack()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				reader.images.renew(r)
				if reader.fromImage(from, question, reader.room[:]) != nil {
					continue
				}
				if _, _, done := reader.fresh(from, question, reader.room[:]); !done {
					b.Fatal("the reader did not know it")
				}
			}
		})
	}
}

func quietResolver(t testing.TB) *Resolver {
	t.Helper()
	r, err := New(Options{
		Log:         slog.New(slog.NewTextHandler(io.Discard, nil)),
		DialTor:     func(context.Context, netip.Addr) (net.Conn, error) { return nil, errFake },
		DialForward: func(context.Context, string, netip.AddrPort) (net.Conn, error) { return nil, fmt.Errorf("no server") },
	}, testConfig)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
