package serve

import (
	"context"
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

	"tunic/gateway/link"
	"tunic/gateway/supervise"
	"tunic/internal/sockets"
)

// parent is the other end of the link, with the sockets that it handed over.
type parent struct {
	t     *testing.T
	serve *Server
	end   *link.End
	dir   string

	sockets supervise.Listeners
	specs   []supervise.ListenerSpec
}

func start(t *testing.T) *parent {
	t.Helper()
	return startAnswering(t, new(link.Mux))
}

// startAnswering is start of a parent that answers what serve asks.
func startAnswering(t *testing.T, asks *link.Mux) *parent {
	t.Helper()
	conn, file, err := link.Pair()
	if err != nil {
		t.Fatal(err)
	}
	child, err := link.FromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "serve")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context(), child) }()
	t.Cleanup(func() {
		conn.Close()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		os.RemoveAll(dir)
	})
	p := &parent{t: t, serve: s, dir: dir}
	p.end = link.NewEnd(conn, asks)
	go p.end.Run(t.Context())
	t.Cleanup(p.sockets.Close)
	return p
}

// front hands over the unix socket of an onion.
func (p *parent) front(name string) {
	p.t.Helper()
	spec := supervise.ListenerSpec{Name: "front/" + name, Network: "unix", Path: p.path(name), Mode: 0o600, UID: os.Getuid(),
		GID: os.Getgid()}
	p.specs = append(p.specs, spec)
	if err := p.sockets.Set(p.t.Context(), p.specs); err != nil {
		p.t.Fatal(err)
	}
	if err := p.end.Hand(spec.Name, p.sockets.Files()[spec.Name]); err != nil {
		p.t.Fatal(err)
	}
}

func (p *parent) path(name string) string { return filepath.Join(p.dir, name) }

func (p *parent) status() link.Status {
	p.t.Helper()
	s, err := link.Ask(p.t.Context(), p.end, link.Report, struct{}{})
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// try sends a desired state, and returns what serve could not do.
func (p *parent) try(d link.Desired) []string {
	p.t.Helper()
	failed, err := link.Ask(p.t.Context(), p.end, link.Apply, d)
	if err != nil {
		p.t.Fatal(err)
	}
	return failed
}

// apply sends a desired state that serve must be able to fulfil.
func (p *parent) apply(d link.Desired) {
	p.t.Helper()
	d.TorUID = uint32(os.Getuid())
	if failed := p.try(d); len(failed) > 0 {
		p.t.Fatalf("it could not: %v", failed)
	}
}

// visit calls an onion's port as tor does.
func (p *parent) visit(name string, port uint16, say string) string {
	p.t.Helper()
	c, err := net.Dial("unix", p.path(name))
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "PROXY TCP6 fc00:dead:beef:4dad::1:2 ::1 1 %d\r\n%s", port, say)
	got, _ := io.ReadAll(c)
	return string(got)
}

// target is a LAN service that says who it is and hangs up.
func target(t *testing.T, word string) netip.AddrPort {
	t.Helper()
	return sockets.Serve(t, func(c net.Conn) { fmt.Fprintf(c, "%s for %s", word, c.RemoteAddr().(*net.TCPAddr).IP) })
}

func TestFrontsLeadToTargetsAndEndpoints(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "hello.txt"), []byte("good day\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t)
	p.front("photos")
	web := target(t, "photos")
	front := link.Front{Onion: "photos", Host: "key.onion", Listener: "front/photos", Ports: []link.Port{
		{Virtual: 80, Addr: web}, {Virtual: 70, Endpoint: "gopher"}, {Virtual: 81, Addr: netip.MustParseAddrPort("127.0.0.1:1")}}}
	p.apply(link.Desired{Fronts: []link.Front{front}, Gopher: &link.Gopher{Root: root}})
	if got := p.visit("photos", 80, ""); got != "photos for 127.129.0.2" {
		t.Errorf("port 80: %q", got)
	}
	menu := p.visit("photos", 70, "\r\n")
	if !strings.Contains(menu, "hello.txt\t") || !strings.Contains(menu, "\tkey.onion\t70") {
		t.Errorf("the menu does not name the onion: %q", menu)
	}

	st := p.status()
	if len(st.Fronts) != 1 || st.Fronts[0].Streams != 2 || len(st.Fronts[0].Ports) != 3 {
		t.Fatalf("status: %+v", st)
	}
	for i, want := range []bool{true, true, false} {
		if got := st.Fronts[0].Ports[i]; got.Reachable != want || (got.Error == "") != want {
			t.Errorf("port %d: %+v", got.Virtual, got)
		}
	}
}

// A new desired state moves a port, keeps a listener that stays, and closes
// one that is not named any more.
func TestDesiredStateIsReplaced(t *testing.T) {
	p := start(t)
	p.front("a")
	p.front("b")
	one, two := target(t, "one"), target(t, "two")
	both := func(addr netip.AddrPort, names ...string) link.Desired {
		var d link.Desired
		for _, n := range names {
			d.Fronts = append(d.Fronts, link.Front{Onion: n, Host: n + ".onion", Listener: "front/" + n,
				Ports: []link.Port{{Virtual: 80, Addr: addr}}})
		}
		return d
	}
	p.apply(both(one, "a", "b"))
	if got := p.visit("a", 80, ""); !strings.HasPrefix(got, "one") {
		t.Fatalf("first: %q", got)
	}
	if err := os.Link(p.path("b"), p.path("still-b")); err != nil { // the parent removes the path itself
		t.Fatal(err)
	}
	p.specs = p.specs[:1] // and closes its end of b
	if err := p.sockets.Set(t.Context(), p.specs); err != nil {
		t.Fatal(err)
	}
	p.apply(both(two, "a"))
	if got := p.visit("a", 80, ""); !strings.HasPrefix(got, "two") {
		t.Errorf("after the change: %q", got)
	}
	if c, err := net.Dial("unix", p.path("still-b")); err == nil {
		c.Close()
		t.Error("the dropped listener still takes connections")
	}
}

func TestWhatCannotBeDoneIsSaid(t *testing.T) {
	p := start(t)
	p.front("a")
	failed := p.try(link.Desired{
		Gopher: &link.Gopher{Root: "/does/not/exist"},
		DNS:    link.DNS{Listeners: []link.DNSListener{{UDP: "u", TCP: "t"}}},
		Fronts: []link.Front{{Onion: "a", Host: "a.onion", Listener: "front/a", Ports: []link.Port{{Virtual: 70, Endpoint: "gopher"}}}}})
	text := strings.Join(failed, "\n")
	for _, want := range []string{"Gopher", "listener t", "onion a, port 70"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

// What could not run at first, such as for a directory on a disk that was not there yet, has its listener later.
func TestWhatComesLaterHasItsListener(t *testing.T) {
	p := start(t)
	p.front("gopher")
	root := filepath.Join(t.TempDir(), "later")
	want := link.Desired{Gopher: &link.Gopher{Root: root, Listeners: []string{"front/gopher"}}}
	if failed := p.try(want); len(failed) != 1 || !strings.Contains(failed[0], "Gopher") {
		t.Errorf("without its directory: %q", failed)
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	p.apply(want)
}

// The household's side: DNS over the listeners that were handed over.
func TestHouseholdDNS(t *testing.T) {
	r := lookups(t, func(pair link.DNSListener) link.Desired {
		return link.Desired{DNS: link.DNS{Listeners: []link.DNSListener{pair}}}
	})
	got, err := r.LookupHost(t.Context(), "box.home.arpa.")
	if err != nil || len(got) != 1 || got[0] != "127.0.0.1" {
		t.Errorf("box.home.arpa is %v, %v", got, err)
	}
}

// One of a pair of listeners that is handed over alone is served, and the one before no more.
func TestHalfOfAPair(t *testing.T) {
	p := start(t)
	p.udp("u")
	pair := link.DNSListener{UDP: "u", TCP: "t"}
	d := link.Desired{DNS: link.DNS{Listeners: []link.DNSListener{pair}, Box: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}}
	for _, which := range []string{"the first", "the next"} {
		at := p.tcp("t")
		p.apply(d)
		r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp4", at)
		}}
		if got, err := r.LookupHost(t.Context(), "box.home.arpa."); err != nil || len(got) != 1 || got[0] != "127.0.0.1" {
			t.Errorf("%s: box.home.arpa is %v, %v", which, got, err)
		}
	}
}

// While the household is closed the box answers for its own name, and asks nobody for
// another: neither Tor, nor a server that the owner has named, nor onions.
func TestClosedDNS(t *testing.T) {
	asked, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	forward := link.Forward{Domain: "lan", Server: netip.MustParseAddrPort(asked.LocalAddr().String())}
	r := lookups(t, func(pair link.DNSListener) link.Desired {
		return link.Desired{Page: &link.Page{Host: "box.home.arpa", DNS: []link.DNSListener{pair}},
			DNS: link.DNS{Forward: []link.Forward{forward}}}
	})
	got, err := r.LookupHost(t.Context(), "box.home.arpa.")
	if err != nil || len(got) != 1 || got[0] != "127.0.0.1" {
		t.Errorf("box.home.arpa is %v, %v", got, err)
	}
	for _, name := range []string{"bank.example.", "printer.lan.", strings.Repeat("a", 56) + ".peer.home.arpa."} {
		begin := time.Now()
		got, err := r.LookupHost(t.Context(), name)
		if took := time.Since(begin); err == nil || os.IsTimeout(err) || took > 4*time.Second {
			t.Errorf("%s is %v, %v, after %v", name, got, err, took)
		}
	}
	asked.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, _, err := asked.ReadFrom(make([]byte, 512)); err == nil {
		t.Errorf("the owner's server was asked, %d bytes", n)
	}
}

// lookups asks a serve that has a pair of listeners, as a device of its box at 127.0.0.1.
func lookups(t *testing.T, want func(link.DNSListener) link.Desired) *net.Resolver {
	t.Helper()
	p := start(t)
	var l supervise.Listeners
	t.Cleanup(func() { l.Close() })
	port := freePort(t)
	specs := []supervise.ListenerSpec{{Name: "u", Network: "udp4", Port: port}, {Name: "t", Network: "tcp4", Port: port}}
	if err := l.Set(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	for name, f := range l.Files() {
		if err := p.end.Hand(name, f); err != nil {
			t.Fatal(err)
		}
	}
	d := want(link.DNSListener{UDP: "u", TCP: "t"})
	d.DNS.Box = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}
	p.apply(d)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", port))
	}}
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	ln, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return uint16(ln.Addr().(*net.TCPAddr).Port)
}
