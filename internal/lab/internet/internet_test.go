package internet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// serve runs a server in the background; it must end, without an error, when
// the test does.
func serve(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the server does not end")
		}
	})
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func TestWeb(t *testing.T) {
	ln := listen(t)
	serve(t, func(ctx context.Context) error { return ServeWeb(ctx, ln, Web("a page")) })
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/", 200, "This is a page.\n"},
		{"/ip", 200, "127.0.0.1\n"},
		{"/blob?bytes=3", 200, "xxx"},
		{"/blob?bytes=0", 200, ""},
		{"/blob", 400, "bytes must be a number from 0 to 1073741824\n"},
		{"/blob?bytes=-1", 400, "bytes must be a number from 0 to 1073741824\n"},
		{"/blob?bytes=2000000000", 400, "bytes must be a number from 0 to 1073741824\n"},
		{"/other", 404, "404 page not found\n"},
	} {
		resp, err := http.Get("http://" + ln.Addr().String() + c.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || string(body) != c.body {
			t.Errorf("%s: %d %q %v, want %d %q", c.path, resp.StatusCode, body, err, c.status, c.body)
		}
	}
}

func TestEcho(t *testing.T) {
	ln := listen(t)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, func(ctx context.Context) error { return ServeTCPEcho(ctx, ln) })
	serve(t, func(ctx context.Context) error { return ServeEcho(ctx, pc) })
	for _, addr := range []net.Addr{ln.Addr(), pc.LocalAddr()} {
		conn, err := net.DialTimeout(addr.Network(), addr.String(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "hello")
		got := make([]byte, 5)
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
			t.Errorf("%s: %q, %v", addr.Network(), got, err)
		}
	}
}

var testNames = Names{"web.example.": {netip.MustParseAddr("203.0.113.80"), netip.MustParseAddr("2001:db8::80")}}

func TestDNSAnswers(t *testing.T) {
	d := NewDNS(testNames, io.Discard)
	for _, c := range []struct {
		name  string
		qtype uint16
		rcode int
		want  string
	}{
		{"web.example.", dns.TypeA, dns.RcodeSuccess, "203.0.113.80"},
		{"web.example.", dns.TypeAAAA, dns.RcodeSuccess, "2001:db8::80"},
		{"web.example.", dns.TypeTXT, dns.RcodeSuccess, "the lab's web.example"},
		{"web.example.", dns.TypeMX, dns.RcodeSuccess, "10 web.example."},
		{"web.example.", dns.TypeSRV, dns.RcodeSuccess, ""},
		{"none.example.", dns.TypeA, dns.RcodeNameError, ""},
		{"80.113.0.203.in-addr.arpa.", dns.TypePTR, dns.RcodeSuccess, "web.example."},
		{"81.113.0.203.in-addr.arpa.", dns.TypePTR, dns.RcodeNameError, ""},
		{"something.onion.", dns.TypeA, dns.RcodeRefused, ""},
		{"onion.", dns.TypeAAAA, dns.RcodeRefused, ""},
		{"notonion.", dns.TypeA, dns.RcodeNameError, ""},
	} {
		rcode, records := d.answer(dns.Question{Name: c.name, Qtype: c.qtype, Qclass: dns.ClassINET})
		got := ""
		for _, rr := range records {
			got += rr.String()
		}
		if rcode != c.rcode || !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s %s: %s %q, want %s %q", c.name, dns.TypeToString[c.qtype],
				dns.RcodeToString[rcode], got, dns.RcodeToString[c.rcode], c.want)
		}
	}
}

func TestDNSRecordsEveryQuestion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queries")
	if got, err := ReadQueries(path); got != nil || err != nil {
		t.Errorf("before there is a log: %v, %v", got, err)
	}
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d := NewDNS(testNames, log)
	ln := listen(t)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, func(ctx context.Context) error { return d.ServeTCP(ctx, ln) })
	serve(t, func(ctx context.Context) error { return d.ServeUDP(ctx, pc) })
	for _, addr := range []net.Addr{pc.LocalAddr(), ln.Addr()} {
		client := dns.Client{Net: addr.Network(), Timeout: 5 * time.Second}
		question := new(dns.Msg).SetQuestion("WEB.example.", dns.TypeA)
		if reply, _, err := client.Exchange(question, addr.String()); err != nil || len(reply.Answer) != 1 {
			t.Errorf("%s: %v, %v", addr.Network(), reply, err)
		}
	}
	got, err := ReadQueries(path)
	if err != nil || len(got) != 2 {
		t.Fatalf("recorded %v, %v; want two questions", got, err)
	}
	for i, network := range []string{"udp", "tcp"} {
		if q := got[i]; q.Name != "web.example." || q.Type != "A" || q.Net != network || !q.Client.Addr().IsLoopback() || q.Time.IsZero() {
			t.Errorf("question %d is %+v", i, q)
		}
	}
}

type brokenLog struct{}

func (brokenLog) Write([]byte) (int, error) { return 0, os.ErrClosed }

// A test that asks "did anyone ask?" must not pass because the log was full.
func TestDNSWithoutLogFails(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := NewDNS(testNames, brokenLog{})
	serve(t, func(ctx context.Context) error { return d.ServeUDP(ctx, pc) })
	client := dns.Client{Timeout: 5 * time.Second}
	reply, _, err := client.Exchange(new(dns.Msg).SetQuestion("web.example.", dns.TypeA), pc.LocalAddr().String())
	if err != nil || reply.Rcode != dns.RcodeServerFailure {
		t.Errorf("got %v, %v; want SERVFAIL", reply, err)
	}
}

func TestReadQueriesRefusesNonsense(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queries")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 10), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadQueries(path); err == nil {
		t.Error("a log that is no JSON was read")
	}
}
