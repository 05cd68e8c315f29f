package serve

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/ca"
	"tunic/gateway/link"
)

// mailServer answers one line, and says bye; lines gets what it was told.
func mailServer(t *testing.T) (netip.AddrPort, chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	lines := make(chan string, 10)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				proxy, _ := r.ReadString('\n')
				lines <- strings.TrimSpace(proxy)
				fmt.Fprint(c, "* OK\r\n")
				said, _ := r.ReadString('\n')
				fmt.Fprintf(c, "heard %s", said)
			}()
		}
	}()
	return netip.MustParseAddrPort(ln.Addr().String()), lines
}

func TestIMAPBehindTLS(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ca.Load(filepath.Join(t.TempDir(), "ca"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Leaf("serve", []string{"box.home.arpa"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, lines := mailServer(t)
	addr := handOver(t, s, "imap")
	d := link.Desired{TLS: &link.TLS{Cert: leaf.Cert, Key: leaf.Key}, Behind: []link.Behind{{Name: "imap", Listeners: []string{"imap"}, Server: server, Port: 993, TLS: true, Proxy: true}}}
	if failed := s.apply(t.Context(), d); len(failed) > 0 {
		t.Fatal(failed)
	}
	defer s.stopAll()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(authority.Certificate()))
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "box.home.arpa"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "hello\r\n")
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "* OK\r\nheard hello\r\n" {
		t.Errorf("%q, %v", got, err)
	}
	local := c.LocalAddr().(*net.TCPAddr)
	_, port, _ := net.SplitHostPort(addr)
	if got, want := <-lines, fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %s", local.Port, port); got != want {
		t.Errorf("the server was told %q, want %q", got, want)
	}

	// Who speaks no TLS reaches nobody.
	plain, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	fmt.Fprint(plain, "a LOGIN bob secret\r\n")
	if got, _ := io.ReadAll(plain); strings.Contains(string(got), "OK") || len(lines) > 0 {
		t.Errorf("without TLS it says %q", got)
	}
}

// handOver gives the server a listener on loopback, as the parent does.
func handOver(t *testing.T, s *Server, name string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	ln.Close()
	if err == nil {
		err = s.take(link.Listener{Name: name}, []*os.File{f})
	}
	if err != nil {
		t.Fatal(err)
	}
	return ln.Addr().String()
}

// A server that is not told which device is calling sees an address that stands
// for the device, and answers it.
func TestBehindWithoutTLS(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	from := make(chan string, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		from <- c.RemoteAddr().String()
		io.Copy(c, c)
	}()
	addr := handOver(t, s, "irc")
	want := link.Behind{Name: "irc", Listeners: []string{"irc"}, Server: netip.MustParseAddrPort(ln.Addr().String()), Port: 6667}
	if failed := s.apply(t.Context(), link.Desired{Behind: []link.Behind{want}}); len(failed) > 0 {
		t.Fatal(failed)
	}
	defer s.stopAll()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, "NICK x\r\n")
	c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "NICK x\r\n" {
		t.Errorf("%q, %v", got, err)
	}
	if seen := netip.MustParseAddrPort(<-from).Addr(); !seen.IsLoopback() || seen == netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the server sees %s", seen)
	}
	if deviceNumber(netip.MustParseAddr("192.168.77.10")) == deviceNumber(netip.MustParseAddr("192.168.77.11")) {
		t.Error("two devices look like one")
	}
	if s.endpoint("irc") != nil {
		t.Error("an onion could lead to what is the household's")
	}
	want.Onion = true
	s.apply(t.Context(), link.Desired{Behind: []link.Behind{want}})
	ep := s.endpoint("irc")
	s.apply(t.Context(), link.Desired{Behind: []link.Behind{want}})
	if ep == nil || ep != s.endpoint("irc") {
		t.Error("the same wish gives another endpoint, which would cut visitors off")
	}
}
