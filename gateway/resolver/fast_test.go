package resolver

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// "No such name" takes as long as tor takes once: tor is asked for both families
// before it has answered for one.
func TestNoSuchNameTakesOneTurn(t *testing.T) {
	tor := &upstream{strict: torStrict}
	arrived, both := make(chan struct{}, 2), make(chan struct{})
	go func() {
		<-arrived
		<-arrived // never, if the second is asked only after the first answer
		close(both)
	}()
	tor.dig = func(q dns.Question, req *dns.Msg) *dns.Msg {
		arrived <- struct{}{}
		select {
		case <-both:
		case <-t.Context().Done():
		}
		return torNames()(q, req)
	}
	h := newHome(t, testConfig, tor)
	if got := brief(h.ask(t, "", "udp", "none.example.com", dns.TypeAAAA)); got != "NXDOMAIN" {
		t.Error(got)
	}
}

// What has been asked before is answered, by both transports, though every place of the
// device waits for Tor: that a name does not exist too.
func TestKnownAnswersNeedNoPlace(t *testing.T) {
	tor := &upstream{strict: torStrict}
	release := make(chan struct{})
	known := torNames("www.example.com. 300 A 93.184.216.34", "v6.example.com. 300 AAAA 2606:2800::1",
		"8.8.8.8.in-addr.arpa. 60 PTR dns.google.")
	tor.dig = func(q dns.Question, req *dns.Msg) *dns.Msg {
		if strings.HasPrefix(q.Name, "slow") {
			<-release
		}
		return known(q, req)
	}
	h := newHome(t, testConfig, tor)
	defer close(release)
	rows := []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"www.example.com", dns.TypeA, "NOERROR 93.184.216.34"},
		{"none.example.com", dns.TypeA, "NXDOMAIN"},
		{"none.example.com", dns.TypeAAAA, "NXDOMAIN"},
		{"v6.example.com", dns.TypeA, "NOERROR"},
		{"8.8.8.8.in-addr.arpa", dns.TypePTR, "NOERROR dns.google."},
		{"9.8.8.8.in-addr.arpa", dns.TypePTR, "NXDOMAIN"},
	}
	for _, row := range rows {
		before := tor.count()
		if got := brief(h.ask(t, "127.0.1.1", "udp", row.name, row.qtype)); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
		if row.qtype == dns.TypeA {
			tor.since(before, 2)
		}
	}
	eventually(t, "all is answered, for both families", func() bool { return h.queries.Open() == 0 })
	asked := tor.count()
	for i := range 2 * maxQueriesPerDevice {
		floodUDP(t, h.addr, net.IPv4(127, 0, 1, byte(2+i)), fmt.Sprintf("slow%d.example.com.", i))
	}
	tor.since(asked, 2*maxQueriesPerDevice)
	eventually(t, "each place of the device is taken", func() bool { return h.queries.Open() == maxQueriesPerDevice })
	asked = tor.count()
	cached := h.Stats().Cached
	for _, row := range rows {
		for _, network := range []string{"udp", "tcp"} {
			if got := brief(h.ask(t, "127.0.1.1", network, row.name, row.qtype)); got != row.want {
				t.Errorf("%s again, by %s: %s, want %s", row.name, network, got, row.want)
			}
		}
	}
	if n := h.Stats().Cached - cached; tor.count() != asked || n != uint64(2*len(rows)) {
		t.Errorf("%d answers of %d from memory; tor was asked %s", n, 2*len(rows), tor)
	}
}

// A question has its place until tor has answered for both families: what a device has
// waiting at tor is bounded, also when one family is never answered.
func TestPlaceIsHeldForBothFamilies(t *testing.T) {
	tor := &upstream{strict: torStrict}
	release := make(chan struct{})
	tor.dig = func(q dns.Question, req *dns.Msg) *dns.Msg {
		if q.Qtype == dns.TypeAAAA {
			<-release
		}
		return torNames(q.Name+" 60 A 93.184.216.34")(q, req)
	}
	h := newHome(t, testConfig, tor)
	released := false
	defer func() {
		if !released {
			close(release)
		}
	}()
	for i := range maxQueriesPerDevice {
		if got := brief(h.ask(t, "", "tcp", fmt.Sprintf("half%d.example.com", i), dns.TypeA)); got != "NOERROR 93.184.216.34" {
			t.Fatal(got)
		}
	}
	if got := brief(h.ask(t, "", "tcp", "more.example.com", dns.TypeA)); got != "REFUSED" {
		t.Errorf("one more: %s", got)
	}
	if got := brief(h.ask(t, "127.0.0.2", "tcp", "more.example.com", dns.TypeA)); got != "NOERROR 93.184.216.34" {
		t.Errorf("another device: %s", got)
	}
	close(release)
	released = true
	eventually(t, "no place is taken when all is answered", func() bool { return h.queries.Open() == 0 })
}

// On a wildcard socket an answer leaves from the address that was asked, whether the
// reader has it or it has to be waited for: a device drops any other.
func TestAnswersLeaveFromTheAddressThatWasAsked(t *testing.T) {
	for listen, addrs := range map[string][]string{"0.0.0.0:0": {"127.0.0.1", "127.0.0.7"}, "[::]:0": {"127.0.0.1", "127.0.0.7", "::1"}} {
		h := newHome(t, testConfig, &upstream{strict: torStrict, dig: torNames("www.example.com. 300 A 93.184.216.34")})
		udp, tcp := listenBoth(t, listen)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Serve(ctx, udp, tcp) }()
		_, port, _ := net.SplitHostPort(udp.LocalAddr().String())
		for _, addr := range addrs {
			for name, want := range map[string]string{
				"www.example.com.": "NOERROR 93.184.216.34", "ipv4only.arpa.": "NOERROR 192.0.0.170 192.0.0.171",
			} {
				c := dns.Client{Timeout: patience}
				m, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), net.JoinHostPort(addr, port))
				if err != nil || brief(m) != want {
					t.Errorf("%s of %s at %s: %v, %v", name, listen, addr, m, err)
				}
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
