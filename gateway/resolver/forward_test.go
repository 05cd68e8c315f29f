package resolver

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// under returns a check that every question lies in domain.
func under(domain string) func(*dns.Msg) error {
	return func(req *dns.Msg) error {
		if !dns.IsSubDomain(domain, req.Question[0].Name) {
			return fmt.Errorf("%v is not of this server", req.Question)
		}
		return nil
	}
}

func echoTXT(text string) func(dns.Question, *dns.Msg) *dns.Msg {
	return func(q dns.Question, req *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(req)
		m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 7},
			Txt: []string{text}}}
		return m
	}
}

// The longest domain wins, all types go, and no name strays to a server that
// it does not belong to, in either direction.
func TestForward(t *testing.T) {
	lan := listenUpstream(t, &upstream{strict: under("lan."), dig: echoTXT("lan")})
	lab := listenUpstream(t, &upstream{strict: under("lab.lan."), dig: echoTXT("lab")})
	reverse := listenUpstream(t, &upstream{strict: under("168.192.in-addr.arpa."), dig: echoTXT("reverse")})
	tor := &upstream{strict: torStrict, dig: torNames("xlan.example.com. 60 A 93.184.216.34")}
	c := testConfig.Clone()
	c.Forward = []Forward{{"lan", lan.addr}, {"Lab.LAN.", lab.addr}, {"168.192.in-addr.arpa", reverse.addr}}
	h := newHome(t, c, tor)
	for name, want := range map[string]string{
		"nas.lan": "lan", "lan": "lan", "a.b.lan": "lan", "lab.lan": "lab", "x.LAB.lan": "lab", "xlab.lan": "lan",
		`my\032printer._ipp._tcp.lan`: "lan", "20.77.168.192.in-addr.arpa": "reverse",
	} {
		for _, qtype := range []uint16{dns.TypeTXT, dns.TypeA, dns.TypeSRV, dns.TypeANY} {
			m := h.ask(t, "", "udp", name, qtype)
			if got := brief(m); got != fmt.Sprintf("NOERROR %q", want) {
				t.Errorf("%s %s: %s, want %s", dns.TypeToString[qtype], name, got, want)
			}
		}
	}
	for name, want := range map[string]string{
		"xlan.example.com": "NOERROR 93.184.216.34", `a\.lan`: "NXDOMAIN", "x.lan.local": "NXDOMAIN",
		"box.home.arpa": "NOERROR 127.0.0.1", "1.77.168.192.in-addr.arpa": "NOERROR",
	} {
		if got := brief(h.ask(t, "", "udp", name, dns.TypeA)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if tor.since(0, 2) != both("xlan.example.com.") {
		t.Errorf("tor was asked %s", tor)
	}
}

// Private addresses are what a server in the home is for.
func TestForwardMayAnswerPrivateAddresses(t *testing.T) {
	lan := listenUpstream(t, &upstream{dig: torNames("nas.lan. 60 A 192.168.77.20")})
	c := testConfig.Clone()
	c.Forward = []Forward{{"lan", lan.addr}}
	h := newHome(t, c, nil)
	if got := brief(h.ask(t, "", "udp", "nas.lan", dns.TypeA)); got != "NOERROR 192.168.77.20" {
		t.Error(got)
	}
	if got := brief(h.ask(t, "", "udp", "none.lan", dns.TypeA)); got != "NXDOMAIN" {
		t.Error(got)
	}
}

func TestForwardFollowsTruncation(t *testing.T) {
	big := strings.Repeat("x", 200)
	lan := &upstream{dig: func(q dns.Question, req *dns.Msg) *dns.Msg {
		m := echoTXT(big)(q, req)
		for range 9 {
			m.Answer = append(m.Answer, dns.Copy(m.Answer[0]))
		}
		return m
	}}
	lan.dig = cutOverUDP(lan)
	listenUpstream(t, lan)
	c := testConfig.Clone()
	c.Forward = []Forward{{"lan", lan.addr}}
	h := newHome(t, c, nil)
	m := h.ask(t, "", "tcp", "big.lan", dns.TypeTXT)
	if len(m.Answer) != 10 || m.Truncated {
		t.Errorf("over TCP: %d records, truncated %v", len(m.Answer), m.Truncated)
	}
	m = h.ask(t, "", "udp", "big.lan", dns.TypeTXT)
	if !m.Truncated || m.Len() > dns.MinMsgSize {
		t.Errorf("over UDP: %d bytes, truncated %v", m.Len(), m.Truncated)
	}
}

// cutOverUDP answers the first question of each pair with an empty truncated
// message, as a server does over UDP.
func cutOverUDP(u *upstream) func(dns.Question, *dns.Msg) *dns.Msg {
	whole := u.dig
	return func(q dns.Question, req *dns.Msg) *dns.Msg {
		if u.count()%2 == 1 {
			m := new(dns.Msg).SetReply(req)
			m.Truncated = true
			return m
		}
		return whole(q, req)
	}
}

func TestForwardLostDatagramIsSentAgain(t *testing.T) {
	t.Parallel() // it waits for a time-out
	lan := &upstream{}
	lan.dig = func(q dns.Question, req *dns.Msg) *dns.Msg {
		if lan.count() == 1 {
			return nil
		}
		return echoTXT("second")(q, req)
	}
	listenUpstream(t, lan)
	c := testConfig.Clone()
	c.Forward = []Forward{{"lan", lan.addr}}
	if got := brief(newHome(t, c, nil).ask(t, "", "udp", "nas.lan", dns.TypeTXT)); got != `NOERROR "second"` {
		t.Error(got)
	}
}

// A failed server is SERVFAIL and nothing else is asked.
func TestForwardFailure(t *testing.T) {
	closed, err := net.Dial("udp", "127.0.0.1:9") // nobody else gets its port, and it takes nothing from others
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	c := testConfig.Clone()
	c.Forward = []Forward{{"lan", netip.MustParseAddrPort(closed.LocalAddr().String())}}
	h := newHome(t, c, nil, func(r *Resolver) { r.timeout = patience / 2 })
	start := time.Now()
	if got := brief(h.ask(t, "", "udp", "nas.lan", dns.TypeA)); got != "SERVFAIL" {
		t.Error(got)
	}
	if took := time.Since(start); took >= h.timeout {
		t.Errorf("a closed port took %v", took)
	}
}

// Only the answer to the question that was sent counts.
func TestStrayAnswersAreSkipped(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		buf := make([]byte, 1500)
		n, from, err := server.ReadFrom(buf)
		if err != nil {
			return
		}
		req := new(dns.Msg)
		if req.Unpack(buf[:n]) != nil {
			return
		}
		for _, spoil := range []func(*dns.Msg){
			func(m *dns.Msg) { m.Id++ },
			func(m *dns.Msg) { m.Question[0].Name = "other.lan." },
			func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA },
			func(m *dns.Msg) { m.Question = nil },
			func(m *dns.Msg) { m.Response = false },
			func(*dns.Msg) {},
		} {
			m := echoTXT("spoilt")(req.Question[0], req)
			m.Question = append([]dns.Question(nil), m.Question...)
			spoil(m)
			if m.Id == req.Id && answers(m, req) {
				m.Answer[0].(*dns.TXT).Txt[0] = "right"
			}
			b, _ := m.Pack()
			server.WriteTo([]byte("garbage that is no message"), from)
			server.WriteTo(b, from)
		}
	}()
	c := testConfig.Clone()
	c.Forward = []Forward{{"lan", netip.MustParseAddrPort(server.LocalAddr().String())}}
	if got := brief(newHome(t, c, nil).ask(t, "", "udp", "nas.lan", dns.TypeTXT)); got != `NOERROR "right"` {
		t.Error(got)
	}
}
