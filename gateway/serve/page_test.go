package serve

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tunic/gateway/device"
	"tunic/gateway/endpoint"
)

// listen opens a listener on loopback that counts as the household's.
func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return limited{ln, endpoint.NewLimiter(endpoint.Limits{MaxConns: 8, MaxPerVisitor: 8, Idle: time.Minute}), new(device.Table)}
}

func dialPage(t *testing.T, ln net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", ln.Addr().String())
	if err == nil {
		err = c.SetDeadline(time.Now().Add(30 * time.Second))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A browser that sends its form byte by byte loses its connection when the time for a
// request is over.
func TestSlowBrowser(t *testing.T) {
	old := requestTime
	requestTime = time.Second
	defer func() { requestTime = old }()
	ctx, cancel := context.WithCancel(t.Context())
	ended, read := make(chan error, 2), make(chan error, 1)
	served := func() net.Listener {
		ln := listen(t)
		s := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			read <- err
		})
		go func() { ended <- serveBrowsers(ctx, ln, s) }()
		return ln
	}
	ln := served()
	c := dialPage(t, ln)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: box.home.arpa\r\nContent-Length: 1000\r\n\r\nx")
	if err := <-read; err == nil {
		t.Error("a form that did not come is read")
	}
	c = dialPage(t, ln)
	io.WriteString(c, "GET / HTTP/1.1\r\nX: ")
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a header that does not come: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	requestTime = old // a busy machine may take long to read this one
	ctx, cancel = context.WithCancel(t.Context())
	c = dialPage(t, served())
	go io.WriteString(c, "GET / HTTP/1.1\r\nX: "+strings.Repeat("x", 4*headerSize))
	if line, _ := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, " 431 ") {
		t.Errorf("a header that is too long: %q", line)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Whoever dials port 80 of a friend's own onion gets the friend's server if there is
// one, and else the page; one that was silent is not waited for again.
func TestShares(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var silent atomic.Bool
	var dials atomic.Int32
	s := &shares{Listener: listen(t), at: func(net.Conn) string { return "10.192.1.0" }, come: make(chan net.Conn),
		silent: make(map[string]time.Time),
		dial: func(_ context.Context, _ netip.Addr, to netip.AddrPort) (net.Conn, error) {
			dials.Add(1)
			if to != netip.MustParseAddrPort("10.192.1.0:80") || silent.Load() {
				return nil, errors.New("nobody")
			}
			ours, theirs := net.Pipe()
			go func() {
				http.ReadRequest(bufio.NewReader(theirs))
				io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nalice!")
				theirs.Close()
			}()
			return ours, nil
		}}
	go s.sort(ctx)
	go serveBrowsers(ctx, s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") }))
	get := func() string {
		c := dialPage(t, s.Listener)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: alice.peer.home.arpa\r\nConnection: close\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err.Error()
		}
		body, _ := io.ReadAll(answer.Body)
		return string(body)
	}
	if got := get(); got != "alice!" {
		t.Errorf("a server: %q", got)
	}
	silent.Store(true)
	for range 3 {
		if got := get(); got != "page" {
			t.Errorf("no server: %q", got)
		}
	}
	if n := dials.Load(); n != 2 {
		t.Errorf("%d dials", n)
	}
}
