package resolver

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"tunic/gateway/onion"
)

// aFilter is a filter as people have one: it blocks what is below ads.example and
// asks the resolver at box, from its own address, for all else.
type aFilter struct {
	*upstream
	box  atomic.Pointer[home]
	from string      // the address that its questions come from
	deaf atomic.Bool // it answers nothing
	away atomic.Bool // it asks a server elsewhere, which knows everything
}

func listenFilter(t *testing.T, from string) *aFilter {
	f := &aFilter{from: from}
	f.upstream = listenUpstream(t, &upstream{dig: func(q dns.Question, req *dns.Msg) *dns.Msg {
		h := f.box.Load()
		switch {
		case f.deaf.Load() || h == nil:
			return nil
		case inZone(dns.CanonicalName(q.Name), "ads.example."):
			m := new(dns.Msg).SetReply(req)
			m.Answer = append(m.Answer, rr("ads.example. 2 A 0.0.0.0"))
			return m
		case f.away.Load():
			return torNames("public.example. 60 A 203.0.113.66")(q, req)
		}
		c := dns.Client{Timeout: patience, Dialer: &net.Dialer{
			LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(f.from), 0))}}
		m := req.Copy()
		m.Id = dns.Id()
		reply, _, err := c.Exchange(m, h.addr)
		if err != nil {
			return nil
		}
		reply.Id = req.Id
		return reply
	}})
	return f
}

// newFiltered is a house with a filter, of which the proof has been made.
func newFiltered(t *testing.T, f *aFilter, tor *upstream, change func(*Config), more ...func(*Resolver)) *home {
	t.Helper()
	h := newHome(t, testConfig, tor, more...)
	f.box.Store(h)
	c := testConfig.Clone()
	c.Upstream = f.addr
	if change != nil {
		change(&c)
	}
	if err := h.Set(c); err != nil {
		t.Fatal(err)
	}
	return h
}

var filterNames = torNames("public.example. 60 A 203.0.113.7", "ads.example. 60 A 203.0.113.8")

// TestFilter: a device's public names are the filter's, all types, whose own
// questions and the box's go to tor; what it blocks does not lead anywhere.
func TestFilter(t *testing.T) {
	tor := &upstream{dig: filterNames, strict: torStrict}
	f := listenFilter(t, "127.0.0.1")
	h := newFiltered(t, f, tor, nil)
	for _, q := range []struct {
		from, name string
		qtype      uint16
		want       string
	}{
		{"127.0.0.5", "Public.example", dns.TypeA, "NOERROR 203.0.113.7"}, {"127.0.0.5", "ads.example", dns.TypeA, "NOERROR"},
		{"127.0.0.5", "no.example.org", dns.TypeA, "NXDOMAIN"}, {"127.0.0.5", "public.example", dns.TypeTXT, "NOERROR"},
		{"127.0.0.1", "ads.example", dns.TypeA, "NOERROR 203.0.113.8"},
	} {
		if got := brief(h.ask(t, q.from, "udp", q.name, q.qtype)); got != q.want {
			t.Errorf("%s asks for %s: %s, want %s", q.from, q.name, got, q.want)
		}
	}
	for _, want := range []string{"A public.example.", "TXT public.example.", "A ads.example."} {
		if !strings.Contains(f.String(), want) {
			t.Errorf("the filter was not asked %s: %s", want, f)
		}
	}
	if state, ok := h.Upstream(); !ok || state != (UpstreamState{}) {
		t.Errorf("the filter is %+v", state)
	}
	if n := f.count(); n != 5 { // the proof and four of the device's
		t.Errorf("the filter was asked %d times: %s", n, f)
	}
}

// TestFilterIsAskedNothingOfTheHouse: nor any onion, whatever is asked about it.
func TestFilterIsAskedNothingOfTheHouse(t *testing.T) {
	f := listenFilter(t, "127.0.0.1")
	h := newFiltered(t, f, &upstream{dig: torNames(testOnion + ". 60 A 10.192.0.5")}, func(c *Config) {
		c.Names = []Name{{Label: "alice", Onion: onion.FromPublicKey(append(make([]byte, 31), 1))}}
	})
	for _, name := range []string{testOnion, "www." + testOnion, boxName, "alice.peer.home.arpa", "x.peer.home.arpa", "nas.lan", "printer",
		"localhost", "x.home.arpa", "5.77.168.192.in-addr.arpa", "use-application-dns.net", "wpad", "x.internal", "onion", "a.local"} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeTXT, dns.TypeHTTPS, dns.TypePTR, dns.TypeANY} {
			h.ask(t, "127.0.0.5", "udp", name, qtype)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if others := slices.DeleteFunc(f.asked, func(q string) bool { return strings.HasPrefix(q, "A tunic-") }); len(others) != 0 {
		t.Errorf("the filter was asked %v", others)
	}
}

// TestFilterBehindAnother: questions of a filter that asks a second server, which
// asks the box, do not go round.
func TestFilterBehindAnother(t *testing.T) {
	tor := &upstream{dig: filterNames, strict: torStrict}
	f := listenFilter(t, "127.0.1.9") // another device's address
	h := newFiltered(t, f, tor, nil)
	if got := brief(h.ask(t, "127.0.0.5", "udp", "public.example", dns.TypeA)); got != "NOERROR 203.0.113.7" {
		t.Errorf("%s", got)
	}
	if n := f.count(); n != 2 {
		t.Errorf("the filter was asked %d times: %s", n, f)
	}
	if err := h.ForgetAll(); err != nil {
		t.Fatal(err)
	}
	if got := brief(h.ask(t, "127.0.0.5", "udp", "public.example", dns.TypeA)); got != "NOERROR 203.0.113.7" || f.count() != 3 {
		t.Errorf("after new circuits: %s, and the filter was asked %s", got, f)
	}
}

// TestFilterAsksElsewhere: a filter that tells names to somebody else is told none.
func TestFilterAsksElsewhere(t *testing.T) {
	f := listenFilter(t, "127.0.0.1")
	f.away.Store(true)
	h := newFiltered(t, f, &upstream{dig: filterNames}, nil)
	if got := brief(h.ask(t, "127.0.0.5", "udp", "public.example", dns.TypeA)); got != "SERVFAIL" {
		t.Errorf("%s", got)
	}
	if strings.Contains(f.String(), "public.example") {
		t.Errorf("the filter was told a name: %s", f)
	}
	eventually(t, "it is known", func() bool { state, _ := h.Upstream(); return state == (UpstreamState{Elsewhere: true}) })
	f.away.Store(false)
	eventually(t, "the filter is asked again", func() bool {
		return brief(h.ask(t, "127.0.0.5", "udp", "public.example", dns.TypeA)) == "NOERROR 203.0.113.7"
	})
}

// TestFilterIsSilent: nobody is asked in its place, and that it is silent is known
// soon, and when it is over, without questions of devices.
func TestFilterIsSilent(t *testing.T) {
	tor := &upstream{dig: filterNames}
	f := listenFilter(t, "127.0.0.1")
	h := newFiltered(t, f, tor, nil)
	h.ask(t, "127.0.0.5", "udp", "public.example", dns.TypeA)
	tor.since(0, 2) // for both families
	before := tor.count()
	f.deaf.Store(true)
	if got := brief(h.ask(t, "127.0.0.5", "udp", "public.example", dns.TypeA)); got != "SERVFAIL" {
		t.Errorf("%s", got)
	}
	eventually(t, "its silence is known", func() bool { state, _ := h.Upstream(); return state.Silent })
	if got := brief(h.ask(t, "127.0.0.5", "udp", "other.example", dns.TypeA)); got != "SERVFAIL" {
		t.Errorf("while it is known: %s", got)
	}
	if strings.Contains(f.String(), "other.example") {
		t.Errorf("while it is known it was asked %s", f)
	}
	if n := tor.count(); n != before {
		t.Errorf("tor was asked in its place: %s", tor)
	}
	f.deaf.Store(false)
	eventually(t, "it is well again", func() bool { state, _ := h.Upstream(); return state == (UpstreamState{}) })
}

// TestFilterOfPublicNames: SOCKS clients' names are looked up by exits, as without.
func TestFilterOfPublicNames(t *testing.T) {
	f := listenFilter(t, "127.0.0.1")
	h := newFiltered(t, f, nil, nil)
	if h.HomeName("public.example") || !h.HomeName("nas.lan") {
		t.Error("what is public has changed")
	}
}

// TestBoxBehindAnyAddress: a question that was led here from a program of the box has
// the address of any of its interfaces, and goes to tor all the same.
func TestBoxBehindAnyAddress(t *testing.T) {
	f := listenFilter(t, "127.0.0.1")
	h := newFiltered(t, f, &upstream{dig: filterNames}, nil, func(r *Resolver) {
		r.Devices.Read = func() (map[netip.Addr]string, error) {
			return map[netip.Addr]string{netip.MustParseAddr("127.0.0.5"): "02:00:5e:10:00:05"}, nil
		}
	})
	udp, tcp := listenBoth(t, "127.0.0.1:0")
	go h.ServeBox(t.Context(), t.Context(), udp, tcp)
	box := &home{addr: udp.LocalAddr().String()}
	for _, network := range []string{"udp", "tcp"} {
		if got := brief(box.ask(t, "127.0.0.5", network, "ads.example", dns.TypeA)); got != "NOERROR 203.0.113.8" {
			t.Errorf("%s: the box: %s", network, got)
		}
		if got := brief(h.ask(t, "127.0.0.5", network, "ads.example", dns.TypeA)); got != "NOERROR" {
			t.Errorf("%s: a device: %s", network, got)
		}
	}
}
