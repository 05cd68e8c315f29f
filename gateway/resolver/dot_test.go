package resolver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// tlsServer is a DNS over TLS server with a certificate of its own making.
type tlsServer struct {
	*upstream
	addr  netip.AddrPort
	roots *x509.CertPool

	mu      sync.Mutex
	conns   []net.Conn // accepted
	devices []netip.Addr
}

// newTLSServer starts a server whose certificate names what names say.
func newTLSServer(t *testing.T, u *upstream, names ...string) *tlsServer {
	t.Helper()
	u.t = t
	if u.strict == nil {
		u.strict = tlsStrict
	}
	s := &tlsServer{upstream: u, roots: x509.NewCertPool()}
	cert := selfSigned(t, names...)
	s.roots.AddCert(cert.Leaf)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = netip.MustParseAddrPort(ln.Addr().String())
	srv := &dns.Server{Listener: tls.NewListener(&recorder{ln, s}, &tls.Config{Certificates: []tls.Certificate{cert}}), Handler: u}
	started := make(chan struct{})
	srv.NotifyStartedFunc = func() { close(started) }
	go srv.ActivateAndServe()
	<-started
	t.Cleanup(func() { srv.Shutdown() })
	return s
}

type recorder struct {
	net.Listener
	s *tlsServer
}

func (r *recorder) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err == nil {
		r.s.mu.Lock()
		r.s.conns = append(r.s.conns, c)
		r.s.mu.Unlock()
	}
	return c, err
}

// hangUp ends all connections, as an idle server does.
func (s *tlsServer) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
}

func (s *tlsServer) accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// tlsStrict is what a question through a TLS server must look like: padded,
// with nothing in it that tells devices apart.
func tlsStrict(req *dns.Msg) error {
	opt := req.IsEdns0()
	switch {
	case opt == nil || len(opt.Option) != 1 || opt.Option[0].Option() != dns.EDNS0PADDING:
		return errors.New("it has other options than padding")
	case req.Len()%padBlock != 0:
		return errors.New("it is not padded to a whole block")
	case req.Question[0].Name != strings.ToLower(req.Question[0].Name):
		return errors.New("the spelling of a device went on")
	}
	return nil
}

func selfSigned(t *testing.T, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// newTLSHome is a home whose public names go to the TLS server.
func newTLSHome(t *testing.T, s *tlsServer, name string, change ...func(*Resolver)) *home {
	t.Helper()
	h := newHome(t, testConfig, nil, append(change, func(r *Resolver) {
		r.Roots = s.roots
		r.DialTLS = func(ctx context.Context, device netip.Addr, server netip.AddrPort) (net.Conn, error) {
			s.mu.Lock()
			s.devices = append(s.devices, device)
			s.mu.Unlock()
			return new(net.Dialer).DialContext(ctx, "tcp", server.String())
		}
	})...)
	c := testConfig.Clone()
	c.TLS = TLSServer{Addr: s.addr, Name: name}
	if err := h.Set(c); err != nil {
		t.Fatal(err)
	}
	return h
}

// zone is a dig that answers from records as an authoritative server does.
func zone(records ...string) func(dns.Question, *dns.Msg) *dns.Msg {
	return func(q dns.Question, req *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(req)
		m.Rcode = dns.RcodeNameError
		for _, text := range records {
			r := rr(text)
			switch h := r.Header(); {
			case h.Rrtype == dns.TypeSOA && q.Qtype != dns.TypeSOA:
				m.Ns = append(m.Ns, r)
			case !strings.EqualFold(h.Name, q.Name):
			case h.Rrtype == q.Qtype || h.Rrtype == dns.TypeCNAME:
				m.Rcode, m.Answer = dns.RcodeSuccess, append(m.Answer, r)
			default:
				m.Rcode = dns.RcodeSuccess
			}
		}
		if len(m.Answer) > 0 {
			m.Ns = nil
		}
		return m
	}
}

func TestAllTypesOverTLS(t *testing.T) {
	s := newTLSServer(t, &upstream{dig: zone(
		"example.com. 300 MX 10 mail.example.com.",
		`example.com. 300 TXT "v=spf1 -all"`,
		"example.com. 300 A 93.184.216.34",
		"example.com. 300 A 192.168.77.1",
		"example.com. 300 A 10.192.0.7",
		"only.example.com. 300 A 192.168.77.20",
		`example.com. 300 HTTPS 1 . alpn="h2" ipv4hint="192.168.77.1,93.184.216.34" ipv6hint="fd77::1"`,
		"_sip._tcp.example.com. 300 SRV 0 5 5060 sip.example.com.",
		"com. 300 DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000",
		"34.216.184.93.in-addr.arpa. 300 PTR example.com.",
	)}, "127.0.0.1")
	h := newTLSHome(t, s, "")
	for _, c := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"Example.com", dns.TypeMX, "NOERROR 10 mail.example.com."},
		{"example.com", dns.TypeTXT, `NOERROR "v=spf1 -all"`},
		{"example.com", dns.TypeA, "NOERROR 93.184.216.34"},
		{"only.example.com", dns.TypeA, "NOERROR"},
		{"example.com", dns.TypeHTTPS, `NOERROR 1 . alpn="h2" ipv4hint="93.184.216.34"`},
		{"_sip._tcp.example.com", dns.TypeSRV, "NOERROR 0 5 5060 sip.example.com."},
		{"com", dns.TypeDS, "NOERROR 1 8 2 0000000000000000000000000000000000000000000000000000000000000000"},
		{"34.216.184.93.in-addr.arpa", dns.TypePTR, "NOERROR example.com."},
		{"none.example.com", dns.TypeA, "NXDOMAIN"},
	} {
		for range 2 {
			if got := brief(h.ask(t, "", "udp", c.name, c.qtype)); got != c.want {
				t.Errorf("%s %s: %s, want %s", c.name, dns.TypeToString[c.qtype], got, c.want)
			}
		}
	}
	if s.count() != 9 || s.accepted() != 1 {
		t.Errorf("the server got %d questions over %d connections, want each once over one: %s", s.count(), s.accepted(), s)
	}
	asked := s.count()
	for name, qtype := range map[string]uint16{
		"nas": dns.TypeMX, "printer.local": dns.TypeTXT, "fritz.box.home.arpa": dns.TypeSRV, "1.77.168.192.in-addr.arpa": dns.TypePTR,
		"example.org": dns.TypeAXFR, "lan": dns.TypeDS, "example.net": dns.TypeANY, testOnion: dns.TypeMX,
		"use-application-dns.net": dns.TypeHTTPS,
	} {
		h.ask(t, "", "tcp", name, qtype)
	}
	if s.count() != asked {
		t.Errorf("what is not for outside went there: %s", s)
	}
}

// TestPrivateAnswers: a domain that the owner names may lead to a device in the
// house; a name elsewhere may not, by way of that domain neither.
func TestPrivateAnswers(t *testing.T) {
	const plex = "192-168-1-20.0123456789abcdef0123456789abcdef.plex.direct"
	dig := zone(plex+". 300 A 192.168.1.20", plex+". 300 AAAA fd00::20", plex+". 300 A 127.0.0.1", plex+". 300 A 10.192.0.7",
		plex+". 300 AAAA fe80::1", plex+". 300 AAAA ::ffff:192.168.1.20", plex+". 300 AAAA 2001:db8:77::20",
		plex+`. 300 HTTPS 1 . alpn="h2" ipv4hint="192.168.1.20,127.0.0.1"`,
		"plex.direct. 300 A 192.168.77.20", "xplex.direct. 300 A 192.168.77.20", "evil.example. 300 CNAME "+plex+".")
	s := newTLSServer(t, &upstream{dig: func(q dns.Question, req *dns.Msg) *dns.Msg {
		m := dig(q, req)
		if strings.HasPrefix(q.Name, "evil") {
			m.Answer = append(m.Answer, rr(plex+". 300 A 192.168.1.20"))
		}
		return m
	}}, "127.0.0.1")
	h := newTLSHome(t, s, "")
	c := testConfig.Clone()
	c.TLS, c.Private = TLSServer{Addr: s.addr}, []string{"plex.direct"}
	for _, tc := range []struct {
		name      string
		qtype     uint16
		want, now string // without and with the domain
	}{
		{plex, dns.TypeA, "NOERROR", "NOERROR 192.168.1.20"},
		{plex, dns.TypeAAAA, "NOERROR", "NOERROR fd00::20 2001:db8:77::20"},
		{plex, dns.TypeHTTPS, `NOERROR 1 . alpn="h2"`, `NOERROR 1 . alpn="h2" ipv4hint="192.168.1.20"`},
		{"Plex.Direct", dns.TypeA, "NOERROR", "NOERROR 192.168.77.20"},
		{"xplex.direct", dns.TypeA, "NOERROR", "NOERROR"},
		{"evil.example", dns.TypeA, "NOERROR " + plex + ".", "NOERROR " + plex + "."},
	} {
		if got := brief(h.ask(t, "", "udp", tc.name, tc.qtype)); got != tc.want {
			t.Errorf("%s %s: %s, want %s", tc.name, dns.TypeToString[tc.qtype], got, tc.want)
		}
		own := newTLSHome(t, s, "")
		if err := own.Set(c); err != nil {
			t.Fatal(err)
		}
		if got := brief(own.ask(t, "", "udp", tc.name, tc.qtype)); got != tc.now {
			t.Errorf("allowed: %s %s: %s, want %s", tc.name, dns.TypeToString[tc.qtype], got, tc.now)
		}
	}
}

func TestEachDeviceHasItsLine(t *testing.T) {
	s := newTLSServer(t, &upstream{dig: zone("example.com. 300 A 93.184.216.34")}, "dns.test")
	h := newTLSHome(t, s, "dns.test")
	for _, device := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.3"} {
		if got := brief(h.ask(t, device, "udp", "example.com", dns.TypeA)); got != "NOERROR 93.184.216.34" {
			t.Fatal(got)
		}
	}
	want := []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")}
	if s.count() != 2 || !slices.Equal(s.devices, want) {
		t.Errorf("dialled for %v, %d questions", s.devices, s.count())
	}
	h.Forget(want[0])
	h.ask(t, "127.0.0.2", "udp", "example.com", dns.TypeA)
	h.ask(t, "127.0.0.3", "udp", "example.com", dns.TypeA)
	if s.count() != 3 || len(s.devices) != 3 || s.devices[2] != want[0] {
		t.Errorf("after one was forgotten: dialled for %v, %d questions", s.devices, s.count())
	}
}

// Questions do not wait for each other, and answers find theirs in any order.
func TestLineMatchesAnswers(t *testing.T) {
	names := zone("slow.example.com. 300 A 93.184.216.1", "fast.example.com. 300 A 93.184.216.2")
	near, far := net.Pipe()
	go swapPairs(far, names)
	l := &line{idle: time.Minute, ready: make(chan struct{}), ended: make(chan struct{}), waiting: make(map[uint16]*waiter),
		cancel: func() {}}
	go l.run(near)
	var all sync.WaitGroup
	for name, want := range map[string]string{"slow.example.com.": "NOERROR 93.184.216.1", "fast.example.com.": "NOERROR 93.184.216.2"} {
		all.Go(func() {
			reply, err := l.ask(t.Context(), new(dns.Msg).SetQuestion(name, dns.TypeA))
			if err != nil || brief(reply) != want {
				t.Errorf("%s: %v, %v", name, reply, err)
			}
		})
	}
	all.Wait()
}

// swapPairs is a server that answers the second question first, after an
// answer that nobody asked for.
func swapPairs(c net.Conn, names func(dns.Question, *dns.Msg) *dns.Msg) {
	defer c.Close()
	dc := &dns.Conn{Conn: c}
	first, err1 := dc.ReadMsg()
	second, err2 := dc.ReadMsg()
	if err1 != nil || err2 != nil {
		return
	}
	stray := new(dns.Msg).SetReply(second)
	stray.Question[0].Name = "other.example.com."
	dc.WriteMsg(stray)
	dc.WriteMsg(names(second.Question[0], second))
	dc.WriteMsg(names(first.Question[0], first))
	dc.ReadMsg() // until the other end hangs up
}

// A server that has hung up is dialled again, unseen by the device.
func TestReconnects(t *testing.T) {
	s := newTLSServer(t, &upstream{dig: zone("a.example.com. 300 A 93.184.216.1", "b.example.com. 300 A 93.184.216.2")}, "127.0.0.1")
	h := newTLSHome(t, s, "")
	h.ask(t, "", "udp", "a.example.com", dns.TypeA)
	s.hangUp()
	if got := brief(h.ask(t, "", "udp", "b.example.com", dns.TypeA)); got != "NOERROR 93.184.216.2" || s.accepted() != 2 {
		t.Errorf("%s over %d connections", got, s.accepted())
	}
}

func TestIdleLineEnds(t *testing.T) {
	s := newTLSServer(t, &upstream{dig: zone("a.example.com. 300 A 93.184.216.1")}, "127.0.0.1")
	h := newTLSHome(t, s, "")
	pool := h.Resolver.state.Load().pool
	pool.mu.Lock()
	pool.idle = 100 * time.Millisecond
	pool.mu.Unlock()
	h.ask(t, "", "udp", "a.example.com", dns.TypeA)
	eventually(t, "the connection has ended", func() bool {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return len(pool.lines) == 0
	})
}

// Whatever goes wrong is SERVFAIL, and no other place is asked: tor's DNSPort
// fails the test if anything reaches it.
func TestTLSFailsClosed(t *testing.T) {
	good := &upstream{dig: zone("example.com. 300 A 93.184.216.34")}
	s := newTLSServer(t, good, "dns.test")
	for name, c := range map[string]struct {
		certificate string
		change      func(*Resolver)
	}{
		"another name in the certificate": {"other.test", nil},
		"the address is not in it":        {"", nil},
		"a stranger's certificate":        {"dns.test", func(r *Resolver) { r.Roots = x509.NewCertPool() }},
		"tor is away": {"dns.test", func(r *Resolver) {
			r.DialTLS = func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) { return nil, errFake }
		}},
		"a server that speaks no TLS": {"dns.test", func(r *Resolver) {
			r.DialTLS = func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
				near, far := net.Pipe()
				far.Close()
				return near, nil
			}
		}},
	} {
		h := newTLSHome(t, s, c.certificate)
		if c.change != nil {
			c.change(h.Resolver)
			fresh := h.Resolver.state.Load().config
			fresh.Box = fresh.Box[:1]
			if err := h.Set(fresh); err != nil {
				t.Fatal(err)
			}
		}
		if got := brief(h.ask(t, "", "udp", "example.com", dns.TypeA)); got != "SERVFAIL" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if good.count() != 0 {
		t.Errorf("the server was trusted with %s", good)
	}
	for _, rcode := range []int{dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNotImplemented} {
		bad := newTLSServer(t, &upstream{dig: func(_ dns.Question, req *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(req, rcode) }},
			"127.0.0.1")
		if got := brief(newTLSHome(t, bad, "").ask(t, "", "udp", "example.com", dns.TypeA)); got != "SERVFAIL" {
			t.Errorf("the server says %s, the device gets %s", dns.RcodeToString[rcode], got)
		}
	}
}

// A silent server costs its question, and the connection: the next question
// gets another circuit.
func TestSilentLineIsGivenUp(t *testing.T) {
	t.Parallel() // it waits
	s := newTLSServer(t, &upstream{dig: func(dns.Question, *dns.Msg) *dns.Msg { return nil }}, "127.0.0.1")
	h := newTLSHome(t, s, "", func(r *Resolver) { r.timeout = 2 * time.Second }) // a busy machine needs a while to connect
	pool := h.Resolver.state.Load().pool
	pool.mu.Lock()
	pool.silent = time.Millisecond
	pool.mu.Unlock()
	if got := brief(h.ask(t, "", "udp", "example.com", dns.TypeA)); got != "SERVFAIL" {
		t.Error(got)
	}
	h.ask(t, "", "udp", "example.com", dns.TypeA)
	if s.accepted() != 2 {
		t.Errorf("%d connections, want a second one after the first was silent", s.accepted())
	}
}

func TestProofsOverTLS(t *testing.T) {
	s := newTLSServer(t, &upstream{dig: func(q dns.Question, req *dns.Msg) *dns.Msg {
		m := zone("example.com. 300 A 93.184.216.34")(q, req)
		m.AuthenticatedData = true
		if req.IsEdns0().Do() {
			m.Answer = append(m.Answer, rr("example.com. 300 RRSIG A 8 2 300 20300101000000 20250101000000 1 example.com. AAAA"))
		}
		return m
	}}, "127.0.0.1")
	h := newTLSHome(t, s, "")
	plain := new(dns.Msg).SetQuestion("example.com.", dns.TypeA)
	wants := plain.Copy()
	wants.SetEdns0(1232, true)
	bit := plain.Copy()
	bit.AuthenticatedData = true
	for _, c := range []struct {
		name    string
		m       *dns.Msg
		records int
		secure  bool
	}{{"plain", plain, 1, false}, {"with proofs", wants, 2, true}, {"with the bit", bit, 1, true}, {"plain again", plain, 1, false}} {
		reply := h.send(t, "", "udp", c.m.Copy())
		if len(reply.Answer) != c.records || reply.AuthenticatedData != c.secure {
			t.Errorf("%s: %d records, checked %v", c.name, len(reply.Answer), reply.AuthenticatedData)
		}
	}
}

func TestTimesOverTLS(t *testing.T) {
	soa := "example.com. 3600 SOA ns. host. 1 2 3 4 120"
	s := newTLSServer(t, &upstream{dig: zone("a.example.com. 1 A 93.184.216.34", "b.example.com. 999999 A 93.184.216.34",
		"c.example.com. 40 TXT x", soa)}, "127.0.0.1")
	h := newTLSHome(t, s, "")
	for name, want := range map[string]uint32{"a.example.com": 10, "b.example.com": 3600} {
		if got := h.ask(t, "", "udp", name, dns.TypeA).Answer[0].Header().Ttl; got != want {
			t.Errorf("%s holds %d s, want %d", name, got, want)
		}
	}
	for _, name := range []string{"c.example.com", "none.example.com"} {
		reply := h.ask(t, "", "udp", name, dns.TypeA)
		if len(reply.Ns) != 1 || reply.Ns[0].Header().Ttl != 120 {
			t.Errorf("%s: the authority is %v", name, reply.Ns)
		}
	}
}

func TestTLSNeedsAWay(t *testing.T) {
	h := newHome(t, testConfig, nil)
	c := testConfig.Clone()
	c.TLS.Addr = netip.MustParseAddrPort("9.9.9.9:853")
	if err := h.Set(c); err == nil {
		t.Error("a TLS server without a way to it")
	}
}
