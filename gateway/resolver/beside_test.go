package resolver

import (
	"net/netip"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Names of I2P have an address where it is on, for devices alone, for a minute, and are
// asked of nobody.
func TestI2P(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	h := newHome(t, Config{}, nil, func(r *Resolver) {
		r.Beside = func(device netip.Addr, name string) (netip.Addr, bool) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, device.String()+" "+name)
			return netip.MustParseAddr("10.193.0.7"), name != "full.i2p"
		}
		c := testConfig.Clone()
		c.I2P = true
		if err := r.Set(c); err != nil {
			t.Fatal(err)
		}
	})
	for _, tc := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"Stats.I2P", dns.TypeA, "NOERROR 10.193.0.7"},
		{"a.b.i2p", dns.TypeA, "NOERROR 10.193.0.7"},
		{"stats.i2p", dns.TypeAAAA, "NOERROR"},
		{"stats.i2p", dns.TypeHTTPS, "NOERROR"},
		{"i2p", dns.TypeA, "NOERROR"},
		{"stats!.i2p", dns.TypeA, "NXDOMAIN"},
		{"full.i2p", dns.TypeA, "SERVFAIL"},
		{"stats.i2p.bit", dns.TypeA, "NXDOMAIN"},
	} {
		reply := h.ask(t, "127.0.0.9", "udp", tc.name, tc.qtype)
		if got := brief(reply); got != tc.want {
			t.Errorf("%s %s: %s, want %s", tc.name, dns.TypeToString[tc.qtype], got, tc.want)
		}
		if len(reply.Answer) > 0 && reply.Answer[0].Header().Ttl != localTTL {
			t.Errorf("%s: for %d s", tc.name, reply.Answer[0].Header().Ttl)
		}
	}
	mu.Lock()
	if len(asked) != 3 || asked[0] != "127.0.0.9 stats.i2p" {
		t.Errorf("asked for were %q", asked)
	}
	mu.Unlock()
	if !h.HomeName("stats.i2p") {
		t.Error("the SOCKS proxy would ask Tor for it")
	}
	q := new(dns.Msg).SetQuestion("stats.i2p.", dns.TypeA)
	box := handler{Resolver: h.Resolver, ctx: t.Context(), box: true}
	if got := brief(box.reply(netip.MustParseAddr("127.0.0.1"), q)); got != "NXDOMAIN" {
		t.Errorf("the box itself: %s", got)
	}
}

// A resolver that cannot give such addresses refuses to.
func TestI2PWithoutAddresses(t *testing.T) {
	h := newHome(t, testConfig, nil)
	if err := h.Set(Config{I2P: true}); err == nil {
		t.Error("it was taken")
	}
}
