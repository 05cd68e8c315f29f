package serve

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/socks"
)

// exitTor is a SocksPort with an exit behind it that reaches the sites of a test.
type exitTor struct {
	t     *testing.T
	sites map[string]func(net.Conn) // "host:port"
	codes map[string]byte           // replies other than success: of "host:port", and of "host:0" for names

	mu        sync.Mutex
	asked     []string
	passwords map[string]bool
}

func (f *exitTor) dial(context.Context) (*net.UnixConn, error) { return dialed(f.handle) }

func (f *exitTor) handle(c net.Conn) {
	r := bufio.NewReader(c)
	take := func(n int) []byte { b := make([]byte, n); io.ReadFull(r, b); return b }
	take(3)
	c.Write([]byte{5, 2})
	take(int(take(2)[1]))
	password := string(take(int(take(1)[0])))
	c.Write([]byte{1, 0})
	head := take(4)
	var host string
	switch head[3] {
	case 1:
		host = net.IP(take(4)).String()
	case 3:
		host = string(take(int(take(1)[0])))
	}
	port := take(2)
	to := fmt.Sprintf("%s:%d", host, int(port[0])<<8|int(port[1]))
	f.mu.Lock()
	f.asked, f.passwords[password] = append(f.asked, to), true
	f.mu.Unlock()
	c.Write([]byte{5, f.codes[to], 0, 1, 203, 0, 113, 80, 0, 0})
	if serve := f.sites[to]; serve != nil && head[1] == 1 && f.codes[to] == 0 {
		serve(c)
	}
}

// replies answers one request with these lines.
func replies(lines ...string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, strings.Join(lines, "\r\n"))
		}
	}
}

// speaksOf says the same whatever it hears.
func speaksOf(words string) func(net.Conn) {
	return func(c net.Conn) {
		c.Read(make([]byte, 1<<10)) // the way through Tor takes longer than to ask
		io.WriteString(c, words)
	}
}

// overTLS shows a certificate for a name, of nobody whom the box knows.
func overTLS(t *testing.T, name string, from, until time.Time, then func(net.Conn)) func(net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: from, NotAfter: until}
	c.Issuer.CommonName, c.Subject.CommonName = "nobody", "nobody"
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return func(raw net.Conn) {
		secured := tls.Server(raw, config)
		if secured.Handshake() == nil {
			then(secured)
		}
	}
}

func newTry(t *testing.T, f *exitTor) *Server {
	t.Helper()
	f.t, f.passwords = t, make(map[string]bool)
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if s.socks, err = socks.New(socks.Options{Log: s.log, Home: s.resolver, DialTor: f.dial}); err != nil {
		t.Fatal(err)
	}
	return s
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

// Each way in which a site does not open is told apart.
func TestTry(t *testing.T) {
	now := time.Now()
	tlsPage := func(name string, from, until time.Time) func(net.Conn) {
		return overTLS(t, name, from, until, replies(fine))
	}
	f := &exitTor{
		sites: map[string]func(net.Conn){
			"web.example:80":       replies(fine),
			"refuses.example:80":   replies("HTTP/1.1 403 Forbidden", "Content-Length: 0", "", ""),
			"guarded.example:80":   replies("HTTP/1.1 403 Forbidden", "Cf-Mitigated: challenge", "Content-Length: 0", "", ""),
			"captcha.example:80":   replies("HTTP/1.1 429 Too Many Requests", "Connection: close", "", "solve this CAPTCHA"),
			"hints.example:80":     replies("HTTP/1.1 103 Early Hints", "Link: </a.css>", "", fine),
			"moved.example:80":     replies("HTTP/1.1 302 Found", "Location: http://web.example/", "Content-Length: 0", "", ""),
			"circle.example:80":    replies("HTTP/1.1 302 Found", "Location: /again", "Content-Length: 0", "", ""),
			"intohouse.example:80": replies("HTTP/1.1 302 Found", "Location: http://192.168.1.1/", "Content-Length: 0", "", ""),
			"toonion.example:80":   replies("HTTP/1.1 302 Found", "Location: http://"+ourHost+"/", "Content-Length: 0", "", ""),
			"silent.example:80":    func(net.Conn) {},
			"gopher.example:80":    speaksOf("iWelcome to a hole\t\t\t0\r\n.\r\n"),
			"noweb.example:443":    speaksOf("220 hello from another protocol\r\n"),
			"self.example:443":     tlsPage("self.example", now.Add(-time.Hour), now.Add(time.Hour)),
			"wrong.example:443":    tlsPage("other.example", now.Add(-time.Hour), now.Add(time.Hour)),
			"old.example:443":      tlsPage("old.example", now.Add(-48*time.Hour), now.Add(-24*time.Hour)),
			ourHost + ":443":       tlsPage("whatever", now.Add(-time.Hour), now.Add(time.Hour)),
		},
		codes: map[string]byte{"none.example:0": 4, "shut.example:80": 5, "dead.example:80": 6, "late.example:80": 2, "shy.example:80": 1,
			ourHost + ":81": 0xF2},
	}
	s := newTry(t, f)
	for host, c := range map[string]struct {
		port   uint16
		status int
		fault  link.Fault
		words  string
	}{
		"web.example":       {port: 80, status: 200},
		"refuses.example":   {port: 80, status: 403},
		"guarded.example":   {port: 80, status: 403, words: "Cloudflare"},
		"captcha.example":   {port: 80, status: 429, words: "a captcha"},
		"hints.example":     {port: 80, status: 200},
		"moved.example":     {port: 80, status: 200},
		"circle.example":    {port: 80, status: 302},
		"intohouse.example": {port: 80, status: 302},
		"toonion.example":   {port: 80, status: 302},
		"silent.example":    {port: 80, fault: link.FaultSilent, words: "closed without an answer"},
		"gopher.example":    {port: 80, fault: link.FaultSilent, words: "speaks no HTTP"},
		"noweb.example":     {port: 443, fault: link.FaultTLS, words: "speaks no TLS"},
		"self.example":      {port: 443, fault: link.FaultCertificate, words: "nobody whom this box trusts"},
		"wrong.example":     {port: 443, fault: link.FaultCertificate, words: "it is for other names"},
		"old.example":       {port: 443, fault: link.FaultCertificate, words: "it has expired on"},
		ourHost:             {port: 443, status: 200},
		"none.example":      {port: 80, fault: link.FaultName, words: "found no address"},
		"shut.example":      {port: 80, fault: link.FaultRefused, words: "no exit could connect"},
		"dead.example":      {port: 80, fault: link.FaultUnreached, words: "too long"},
		"shy.example":       {port: 80, fault: link.FaultRefused, words: "no exit could connect"},
		"late.example":      {port: 80, fault: link.FaultTor, words: "no exit lets this port through"},
		"192.168.1.1":       {port: 80, fault: link.FaultHome, words: "of the house"},
		"printer":           {port: 80, fault: link.FaultHome, words: "of the house"},
		"nas.home.arpa":     {port: 80, fault: link.FaultHome, words: "of the house"},
	} {
		got, err := s.try(t.Context(), link.Attempt{TLS: c.port == 443, Host: host, Port: c.port, Path: "/"})
		if err != nil || len(got.Steps) == 0 {
			t.Fatalf("%s: %+v, %v", host, got, err)
		}
		last := got.Steps[len(got.Steps)-1]
		if got.Status != c.status || last.Fault != c.fault || !strings.Contains(last.Reason+got.Challenge, c.words) {
			t.Errorf("%s: %+v", host, got)
		}
		if !f.passwords[got.Circuit] && c.fault != link.FaultHome {
			t.Errorf("%s: tor was never given the password of its circuits", host)
		}
	}
	for _, to := range f.asked {
		if strings.HasPrefix(to, "192.168.") || strings.HasPrefix(to, "printer") ||
			strings.Contains(to, "home.arpa") || to == ourHost+":80" {
			t.Errorf("tor was asked for %s", to)
		}
	}
}

// An attempt has circuits of its own, all of it the same ones.
func TestTryIsIsolated(t *testing.T) {
	f := &exitTor{sites: map[string]func(net.Conn){"web.example:80": replies(fine)}}
	s := newTry(t, f)
	for range 2 {
		if got, err := s.try(t.Context(), link.Attempt{Host: "web.example", Port: 80, Path: "/"}); err != nil || got.Status != 200 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if want := []string{"web.example:0", "web.example:80", "web.example:0", "web.example:80"}; !slices.Equal(f.asked, want) {
		t.Errorf("tor was asked for %q", f.asked)
	}
	if len(f.passwords) != 2 {
		t.Errorf("%d identities for two attempts", len(f.passwords))
	}
}
