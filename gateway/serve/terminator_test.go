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
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/ca"
	"tunic/gateway/device"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/internal/sockets"
)

// lineServer answers one line, and says bye; lines gets what it was told.
func lineServer(t *testing.T) (netip.AddrPort, chan string) {
	t.Helper()
	lines := make(chan string, 10)
	return sockets.Serve(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		proxy, _ := r.ReadString('\n')
		lines <- strings.TrimSpace(proxy)
		fmt.Fprint(c, "* OK\r\n")
		said, _ := r.ReadString('\n')
		fmt.Fprintf(c, "heard %s", said)
	}), lines
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
	server, lines := lineServer(t)
	addr := handOver(t, s, "imap")
	d := link.Desired{TLS: &link.TLS{Cert: leaf.Cert, Key: leaf.Key},
		Terminators: []link.Terminator{{Name: "imap", Listeners: []string{"imap"}, Server: server, Port: 993, TLS: true, Proxy: true}}}
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
	device := onion.CircuitSource(deviceNumber("box"))
	if got, want := <-lines, fmt.Sprintf("PROXY TCP4 %s 127.0.0.1 %d %s", device, local.Port, port); got != want {
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
		err = s.take(name, f)
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
	from := make(chan string, 1)
	server := sockets.Serve(t, func(c net.Conn) {
		from <- c.RemoteAddr().String()
		sockets.Echo(c)
	})
	addr := handOver(t, s, "irc")
	want := link.Terminator{Name: "irc", Listeners: []string{"irc"}, Server: server, Port: 6667}
	if failed := s.apply(t.Context(), link.Desired{Terminators: []link.Terminator{want}}); len(failed) > 0 {
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
	if deviceNumber("mac 02:00:5e:10:00:01") == deviceNumber("mac 02:00:5e:10:00:02") {
		t.Error("two devices look like one")
	}
	if s.endpoint("irc") != nil {
		t.Error("an onion could lead to what is the household's")
	}
	want.Onion = true
	s.apply(t.Context(), link.Desired{Terminators: []link.Terminator{want}})
	ep := s.endpoint("irc")
	s.apply(t.Context(), link.Desired{Terminators: []link.Terminator{want}})
	if ep == nil || ep != s.endpoint("irc") {
		t.Error("the same wish gives another endpoint, which would cut visitors off")
	}
}

// TestGreedyDevice: one device with all its addresses has a part of a server's
// places, under one address, and twenty others have theirs.
func TestGreedyDevice(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Devices = &device.Table{Read: func() (map[netip.Addr]string, error) {
		macs := make(map[netip.Addr]string)
		for i := range 200 { // of the greedy one
			macs[netip.AddrFrom4([4]byte{127, 1, 0, byte(i + 1)})] = "02:00:5e:10:00:01"
		}
		for i := range 20 {
			macs[netip.AddrFrom4([4]byte{127, 2, 0, byte(i + 1)})] = fmt.Sprintf("02:00:5e:10:01:%02x", i)
		}
		return macs, nil
	}}
	seen := make(chan net.Addr, 1000)
	server := sockets.Serve(t, func(c net.Conn) {
		seen <- c.RemoteAddr()
		sockets.Echo(c)
	})
	addr, tls := handOver(t, s, "irc"), handOver(t, s, "ircs")
	places := link.Places{Each: 10, Total: 40}
	if failed := s.apply(t.Context(),
		link.Desired{Terminators: []link.Terminator{{Name: "irc", Listeners: []string{"irc"}, Server: server, Port: 6667, Places: places},
			{Name: "ircs", Listeners: []string{"ircs"}, Server: server, Port: 6697, Places: places}}}); len(failed) > 0 {
		t.Fatal(failed)
	}
	defer s.stopAll()
	// answers reports whether a new connection from an address is served.
	answers := func(from netip.Addr, to string) (net.Conn, bool) {
		t.Helper()
		c, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}).Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c, alive(c)
	}
	served := 0
	for i := range 100 {
		_, ok := answers(netip.AddrFrom4([4]byte{127, 1, 0, byte(i + 1)}), []string{addr, tls}[i%2])
		if ok {
			served++
		}
	}
	if served != places.Each {
		t.Errorf("the greedy device has %d places", served)
	}
	addresses := make(map[string]bool)
	for len(seen) > 0 {
		addresses[(<-seen).(*net.TCPAddr).IP.String()] = true
	}
	if len(addresses) != 1 {
		t.Errorf("the server sees the greedy device at %d addresses", len(addresses))
	}
	var others []net.Conn
	for i := range 20 {
		c, ok := answers(netip.AddrFrom4([4]byte{127, 2, 0, byte(i + 1)}), addr)
		if !ok {
			t.Errorf("device %d has no place", i)
		}
		others = append(others, c)
	}
	for i, c := range others {
		if !alive(c) {
			t.Errorf("device %d has lost its place", i)
		}
	}
}

// alive reports whether what is said to an echo comes back.
func alive(c net.Conn) bool {
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, "x")
	n, _ := c.Read(make([]byte, 1))
	return n == 1
}

// A server that remembers devices knows them again after serve was started again;
// any other one, whose users may see who is who, does not.
func TestNumbersThatStay(t *testing.T) {
	one, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	apply := func(s *Server, secret string) {
		t.Helper()
		if failed := s.apply(t.Context(), link.Desired{Users: link.Users{Secret: secret}}); len(failed) > 0 {
			t.Fatal(failed)
		}
	}
	const id = "mac 02:00:5e:10:00:01"
	xmpp, irc := link.Terminator{Name: "xmpp", Remembers: true}, link.Terminator{Name: "irc"}
	if one.numberFor(xmpp, id) != deviceNumber(id) {
		t.Error("without a secret a number can be foreseen")
	}
	apply(one, "the box's own")
	apply(other, "the box's own")
	n := one.numberFor(xmpp, id)
	if n != other.numberFor(xmpp, id) || n == deviceNumber(id) || n == one.numberFor(xmpp, "mac 02:00:5e:10:00:02") {
		t.Errorf("%d stands for the device", n)
	}
	if one.numberFor(irc, id) != deviceNumber(id) {
		t.Error("IRC shows a number that stays")
	}
	apply(other, "another box's")
	if n == other.numberFor(xmpp, id) {
		t.Error("two boxes have the same number for a device")
	}
}
