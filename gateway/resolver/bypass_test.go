package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// door records what the resolver wants opened.
type door struct {
	mu    sync.Mutex
	asked []string
	wait  time.Duration
	err   error
}

func (d *door) grant(ctx context.Context, device netip.Addr, domain string, addrs []netip.Addr, ttl time.Duration) error {
	d.mu.Lock()
	d.asked = append(d.asked, fmt.Sprintf("%v %s %v %v", device, domain, addrs, ttl))
	wait, err := d.wait, d.err
	d.mu.Unlock()
	select {
	case <-time.After(wait):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *door) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := d.asked
	d.asked = nil
	return asked
}

func newBypassHome(t *testing.T, d *door, tor *upstream) *home {
	t.Helper()
	h := newHome(t, testConfig, tor, func(r *Resolver) { r.Grant = d.grant })
	c := testConfig.Clone()
	c.Bypass = []string{"Bank.example", "game.example"}
	if err := h.Set(c); err != nil {
		t.Fatal(err)
	}
	return h
}

// The device is let through before it gets the answer, to just the addresses
// in it, each time that it asks.
func TestBypassIsOpenBeforeTheAnswer(t *testing.T) {
	tor := &upstream{strict: torStrict, dig: torNames(
		"www.bank.example. 3600 A 93.184.216.34", "game.example. 12 AAAA 2606:2800::1", "bank.example. 100 A 192.168.77.20",
		"notbank.example. 300 A 93.184.216.34", "bank.example.com. 300 A 93.184.216.34")}
	d := &door{wait: 50 * time.Millisecond}
	h := newBypassHome(t, d, tor)
	for _, c := range []struct {
		device, name string
		qtype        uint16
		ttl          uint32 // 0: no address
		want         []string
	}{
		{"127.0.0.2", "www.BANK.example", dns.TypeA, 300, []string{"127.0.0.2 Bank.example [93.184.216.34] 5m0s"}},
		{"127.0.0.2", "www.bank.example", dns.TypeA, 300, []string{"127.0.0.2 Bank.example [93.184.216.34] 5m0s"}},
		{"127.0.0.3", "game.example", dns.TypeAAAA, 30, []string{"127.0.0.3 game.example [2606:2800::1] 30s"}},
		{"127.0.0.2", "bank.example", dns.TypeA, 0, nil}, // only an address in the house
		{"127.0.0.2", "none.bank.example", dns.TypeA, 0, nil},
		{"127.0.0.2", "notbank.example", dns.TypeA, 300, nil},
		{"127.0.0.2", "bank.example.com", dns.TypeA, 300, nil},
	} {
		begin := time.Now()
		reply := h.ask(t, c.device, "udp", c.name, c.qtype)
		if got := d.take(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if c.want != nil && time.Since(begin) < d.wait {
			t.Errorf("%s: the answer came before the way was open", c.name)
		}
		if c.ttl == 0 && len(reply.Answer) > 0 || c.ttl != 0 && (len(reply.Answer) != 1 || reply.Answer[0].Header().Ttl != c.ttl) {
			t.Errorf("%s: %v", c.name, reply.Answer)
		}
	}
}

// A way that is not opened keeps no device from its answer: it goes through Tor.
func TestBypassThatIsRefusedStillAnswers(t *testing.T) {
	for name, d := range map[string]*door{"refused": {err: errors.New("no")}, "never answered": {wait: time.Hour}} {
		tor := &upstream{strict: torStrict, dig: torNames("bank.example. 3600 A 93.184.216.34")}
		if got := brief(newBypassHome(t, d, tor).ask(t, "", "udp", "bank.example", dns.TypeA)); got != "NOERROR 93.184.216.34" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestBypassOverTLS(t *testing.T) {
	s := newTLSServer(t, &upstream{dig: zone("bank.example. 300 CNAME cdn.example.", "bank.example. 300 A 93.184.216.34",
		"bank.example. 300 TXT x")}, "127.0.0.1")
	h := newTLSHome(t, s, "")
	d := &door{}
	h.Resolver.Grant = d.grant
	c := h.Resolver.state.Load().config.Clone()
	c.Bypass = []string{"bank.example"}
	if err := h.Set(c); err != nil {
		t.Fatal(err)
	}
	for _, qtype := range []uint16{dns.TypeA, dns.TypeTXT} {
		h.ask(t, "", "udp", "bank.example", qtype)
	}
	if got := d.take(); len(got) != 1 || got[0] != "127.0.0.1 bank.example [93.184.216.34] 5m0s" {
		t.Errorf("%q", got)
	}
}

func TestBypassRefusesImpossibleDomains(t *testing.T) {
	h := newHome(t, testConfig, nil)
	c := testConfig.Clone()
	c.Bypass = []string{"bank.example"}
	if err := h.Set(c); err == nil {
		t.Error("a bypass without anybody who opens the way")
	}
	h.Resolver.Grant = new(door).grant
	for _, domain := range []string{".", "onion", "a.onion.", "a..b"} {
		c.Bypass = []string{domain}
		if err := h.Set(c); err == nil {
			t.Errorf("a bypass for %q", domain)
		}
	}
}
