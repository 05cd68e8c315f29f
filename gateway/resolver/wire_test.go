package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestProtocol(t *testing.T) {
	h := newHome(t, testConfig, nil)
	question := func() *dns.Msg { m := new(dns.Msg); m.SetQuestion("box.home.arpa.", dns.TypeA); return m }
	for name, tc := range map[string]struct {
		spoil func(*dns.Msg)
		want  int
	}{
		"plain":         {func(*dns.Msg) {}, dns.RcodeSuccess},
		"class":         {func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused},
		"class any":     {func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }, dns.RcodeRefused},
		"opcode":        {func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
		"notify":        {func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, dns.RcodeNotImplemented},
		"no question":   {func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
		"two questions": {func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }, dns.RcodeFormatError},
		"an answer":     {func(m *dns.Msg) { m.Answer = []dns.RR{rr("a. 1 A 1.2.3.4")} }, dns.RcodeFormatError},
		"EDNS":          {func(m *dns.Msg) { m.SetEdns0(4096, true) }, dns.RcodeSuccess},
		"EDNS version":  {func(m *dns.Msg) { m.SetEdns0(4096, false); m.IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
		"two EDNS":      {func(m *dns.Msg) { m.SetEdns0(4096, false); m.Extra = append(m.Extra, m.Extra[0]) }, dns.RcodeFormatError},
		"type OPT":      {func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeOPT }, dns.RcodeFormatError},
	} {
		for _, network := range []string{"udp", "tcp"} {
			m := question()
			tc.spoil(m)
			reply := h.send(t, "", network, m)
			if reply.Rcode != tc.want {
				t.Errorf("%s over %s: %s", name, network, dns.RcodeToString[reply.Rcode])
			}
			opt := reply.IsEdns0()
			if asked := m.IsEdns0() != nil; tc.want == dns.RcodeSuccess && (opt != nil) != asked {
				t.Errorf("%s over %s: EDNS asked for: %v, answered: %v", name, network, asked, opt)
			}
			if opt != nil && opt.UDPSize() != ednsSize {
				t.Errorf("%s: advertises %d bytes", name, opt.UDPSize())
			}
		}
	}
	response := question()
	response.Response = true
	if reply, err := h.trySend("", "udp", response, 200*time.Millisecond); err == nil {
		t.Errorf("a response was answered: %v", reply)
	}
}

// Names are compressed: the largest answer that is taken from tor fits into
// the smallest datagram.
func TestLargestAnswerIsNotCut(t *testing.T) {
	var records []string
	for i := range torRecords {
		records = append(records, fmt.Sprintf("%s.example.com. 60 A 93.184.216.%d", strings.Repeat("x", 60), i))
	}
	name := strings.Repeat("x", 60) + ".example.com"
	h := newHome(t, testConfig, &upstream{strict: torStrict, dig: torNames(records...)})
	for _, tc := range []struct {
		network string
		edns    uint16
	}{{"udp", 0}, {"udp", 100}, {"udp", 1232}, {"tcp", 0}} {
		m := new(dns.Msg)
		m.SetQuestion(dns.Fqdn(name), dns.TypeA)
		if tc.edns > 0 {
			m.SetEdns0(tc.edns, false)
		}
		reply := h.send(t, "", tc.network, m)
		if len(reply.Answer) != torRecords || reply.Truncated {
			t.Errorf("%+v: %d records, truncated %v", tc, len(reply.Answer), reply.Truncated)
		}
	}
}

func TestPackCutsToTheClient(t *testing.T) {
	req := new(dns.Msg)
	req.SetQuestion("big.lan.", dns.TypeTXT)
	for _, tc := range []struct {
		edns uint16
		tcp  bool
		max  int
		cut  bool
	}{{0, false, 512, true}, {100, false, 512, true}, {1000, false, 1000, true}, {65535, false, ednsSize, true},
		{0, true, dns.MaxMsgSize, false}} {
		req := req.Copy()
		if tc.edns > 0 {
			req.SetEdns0(tc.edns, true)
		}
		m := echoTXT(strings.Repeat("y", 200))(req.Question[0], req)
		for range 19 {
			m.Answer = append(m.Answer, dns.Copy(m.Answer[0]))
		}
		b := pack(m, req, tc.tcp, nil)
		got := new(dns.Msg)
		if err := got.Unpack(b); err != nil {
			t.Fatalf("%+v: %v", tc, err)
		}
		if len(b) > tc.max || got.Truncated != tc.cut {
			t.Errorf("%+v: %d bytes, truncated %v", tc, len(b), got.Truncated)
		}
		if opt := got.IsEdns0(); (opt != nil) != (tc.edns > 0) || opt != nil && !opt.Do() {
			t.Errorf("%+v: EDNS of the answer: %v", tc, opt)
		}
	}
}

// Beyond the limits a device gets nothing over UDP, a refusal over TCP, and
// another device is still served.
func TestLimits(t *testing.T) {
	tor := &upstream{strict: torStrict}
	release := make(chan struct{})
	tor.dig = func(q dns.Question, req *dns.Msg) *dns.Msg {
		if strings.HasPrefix(q.Name, "slow") {
			<-release
		}
		return torNames("fast.example.com. 60 A 93.184.216.34")(q, req)
	}
	h := newHome(t, testConfig, tor)
	defer close(release)
	c, err := net.Dial("udp", h.addr) // as 127.0.0.1
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range maxQueriesPerDevice {
		m := new(dns.Msg)
		m.SetQuestion(fmt.Sprintf("slow%d.example.com.", i), dns.TypeA)
		b, _ := m.Pack()
		c.Write(b)
	}
	eventually(t, "all are under way", func() bool { return h.queries.Open() == maxQueriesPerDevice })
	m := new(dns.Msg)
	m.SetQuestion("fast.example.com.", dns.TypeA)
	if reply, err := h.trySend("", "udp", m, 200*time.Millisecond); err == nil {
		t.Errorf("one too many was answered: %s", brief(reply))
	}
	if got := brief(h.send(t, "", "tcp", m)); got != "REFUSED" {
		t.Errorf("over TCP: %s", got)
	}
	if got := brief(h.send(t, "127.0.0.2", "udp", m)); got != "NOERROR 93.184.216.34" {
		t.Errorf("another device: %s", got)
	}
	if got := brief(h.ask(t, "", "udp", "box.home.arpa", dns.TypeA)); got != "NOERROR 127.0.0.1" {
		t.Errorf("an answer that needs nobody: %s", got)
	}
	if got := h.Stats().Refused; got != 2 {
		t.Errorf("%d refusals counted", got)
	}
}

func TestTCPConnectionsAreBounded(t *testing.T) {
	h := newHome(t, testConfig, nil)
	for range maxConnsPerDevice {
		c, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); n != 0 || isTimeout(err) {
		t.Errorf("one connection too many stays open: %d, %v", n, err)
	}
	if got := brief(h.ask(t, "127.0.0.2", "tcp", "box.home.arpa", dns.TypeA)); got != "NOERROR 127.0.0.1" {
		t.Errorf("another device: %s", got)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// Several questions on one connection are all answered.
func TestPipelining(t *testing.T) {
	h := newHome(t, testConfig, nil)
	c, err := dns.DialTimeout("tcp", h.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	for id := range uint16(50) {
		m := new(dns.Msg)
		m.SetQuestion("box.home.arpa.", dns.TypeA)
		m.Id = id
		if err := c.WriteMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	for id := range uint16(50) {
		m, err := c.ReadMsg()
		if err != nil || m.Id != id {
			t.Fatalf("answer %d: %v, %v", id, m, err)
		}
	}
}

// A wildcard socket answers from the address that was asked: a connected
// client takes no other answer.
func TestAnswersComeFromTheAddressAsked(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "[::]:0"} {
		r := newHome(t, testConfig, nil).Resolver
		udp, tcp := listenBoth(t, listen)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Serve(ctx, udp, tcp) }()
		_, port, _ := net.SplitHostPort(udp.LocalAddr().String())
		for _, asked := range []string{"127.0.0.5", "127.0.0.6"} {
			h := home{Resolver: r, addr: net.JoinHostPort(asked, port)}
			if got := brief(h.ask(t, "127.0.0.9", "udp", "localhost", dns.TypeA)); got != "NOERROR 127.0.0.1" {
				t.Errorf("%s, asked at %s: %s", listen, asked, got)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestServeEnds(t *testing.T) {
	tor := &upstream{strict: torStrict, dig: func(dns.Question, *dns.Msg) *dns.Msg { return nil }}
	r := newHome(t, testConfig, tor, func(r *Resolver) { r.timeout = patience }).Resolver
	udp, tcp := listenBoth(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, udp, tcp) }()
	h := home{Resolver: r, addr: udp.LocalAddr().String()}
	h.ask(t, "", "udp", "localhost", dns.TypeA)
	idle, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	waiting := new(dns.Msg)
	waiting.SetQuestion("waits.example.com.", dns.TypeA)
	go h.trySend("", "udp", waiting, time.Second)
	tor.since(0, 1)
	start := time.Now()
	cancel()
	if err := <-done; err != nil || time.Since(start) > patience/2 {
		t.Errorf("Serve ended after %v: %v", time.Since(start), err)
	}
	if _, err := tcp.Accept(); !errors.Is(err, net.ErrClosed) { // somebody else may have its port by now
		t.Errorf("the TCP listener is still open: %v", err)
	}
}

func TestServeFailsWithItsListener(t *testing.T) {
	r := newHome(t, testConfig, nil).Resolver
	udp, tcp := listenBoth(t, "127.0.0.1:0")
	tcp.Close()
	if err := r.Serve(t.Context(), udp, tcp); err == nil {
		t.Error("Serve returned nil although the listener was closed")
	}
}

// tor that never answers is a failure after the whole time, and no more.
func TestSilentTor(t *testing.T) {
	const timeout = 300 * time.Millisecond
	h := newHome(t, testConfig, &upstream{strict: torStrict, dig: func(dns.Question, *dns.Msg) *dns.Msg { return nil }},
		func(r *Resolver) { r.timeout = timeout })
	for _, name := range []string{"www.example.com", testOnion} {
		start := time.Now()
		got := brief(h.ask(t, "", "udp", name, dns.TypeA))
		if took := time.Since(start); got != "SERVFAIL" || took < timeout || took >= upstreamTimeout {
			t.Errorf("%s: %s after %v", name, got, took)
		}
	}
}

// panicky is a client's address that cannot be asked for.
type panicky struct{ dns.ResponseWriter }

func (panicky) RemoteAddr() net.Addr { panic("no address") }

func TestPanicCostsOneQuestion(t *testing.T) {
	var log bytes.Buffer
	h := newHome(t, testConfig, nil)
	h.Log = slog.New(slog.NewTextHandler(&log, nil))
	handler{Resolver: h.Resolver, ctx: t.Context()}.ServeDNS(panicky{}, new(dns.Msg).SetQuestion("secret.example.com.", dns.TypeA))
	if h.Stats().Panics != 1 || !strings.Contains(log.String(), "panicked") {
		t.Errorf("stats %+v, log %q", h.Stats(), log.String())
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("the log has the name")
	}
}
