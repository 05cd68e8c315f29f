package socks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tunic/internal/sockets"
)

// What a device asks for reaches tor unchanged and unresolved.
func TestDestinationsReachTor(t *testing.T) {
	for request, want := range map[string]string{
		requestTo("www.Example.com", 443):                                     "name www.Example.com:443",
		requestTo("abc.onion", 80):                                            "name abc.onion:80",
		requestTo("8.8.8.8", 53):                                              "addr 8.8.8.8:53",
		requestTo("[2001:db8::1]", 80):                                        "addr 2001:db8::1:80",
		requestTo("::ffff:8.8.8.8", 80):                                       "addr 8.8.8.8:80",
		"\x05\x01\x00\x01\x08\x08\x08\x08\x01\xbb":                            "addr 8.8.8.8:443",
		"\x05\x01\x00\x04" + string(net.ParseIP("2001:db8::80")) + "\x00\x50": "addr 2001:db8::80:80",
	} {
		tor := newFakeTor(t)
		p := newProxy(t, Options{DialTor: tor.dial})
		c := p.connect(t, "")
		if code := open(t, c, request); code != 0 {
			t.Errorf("%s: reply %d", want, code)
			continue
		}
		io.WriteString(c, "ping")
		c.CloseWrite()
		if got, err := io.ReadAll(c); err != nil || string(got) != "ping" {
			t.Errorf("%s: echoed %q, %v", want, got, err)
		}
		if got := tor.asked(); len(got) != 1 || got[0].to != want {
			t.Errorf("tor was asked for %v, want %s", got, want)
		}
	}
}

// What must not reach tor is answered here.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		request string
		want    int
	}{
		"bind":            {"\x05\x02\x00\x01\x08\x08\x08\x08\x00\x50", 7},
		"UDP associate":   {"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", 7},
		"another command": {"\x05\xf2\x00\x03\x0bexample.com\x00\x00", 7},
		"RESOLVE at home": {"\x05\xf0\x00\x03\x07printer\x00\x00", 2},
		"RESOLVE of home": {"\x05\xf0\x00\x01\xc0\xa8\x4d\x14\x00\x00", 2},
		"RESOLVE of none": {"\x05\xf0\x00\x03\x00\x00\x00", 2},
		"PTR at home":     {"\x05\xf1\x00\x01\xc0\xa8\x4d\x14\x00\x00", 2},
		"PTR of a name":   {"\x05\xf1\x00\x03\x0bexample.com\x00\x00", 2},
		"address type":    {"\x05\x01\x00\x05", 8},
		"home address":    {"\x05\x01\x00\x01\xc0\xa8\x4d\x14\x00\x50", 2},
		"home as IPv6":    {"\x05\x01\x00\x04" + string(net.ParseIP("::ffff:192.168.77.20").To16()) + "\x00\x50", 2},
		"home as a name":  {requestTo("192.168.77.20", 80), 2},
		"in brackets":     {requestTo("[::1]", 80), 2},
		"with a zone":     {requestTo("fe80::1%eth0", 80), 2},
		"home name":       {requestTo("printer", 80), 2},
		"port 0":          {requestTo("example.com", 0), 2},
		"no name":         {requestTo("", 80), 2},
		"NUL":             {requestTo("example.com\x00.onion", 80), 2},
		"line break":      {requestTo("example.com\r\nX", 80), 2},
		"not ASCII":       {requestTo("ex\xc3\xa4mple.com", 80), 2},
	} {
		p := newProxy(t, Options{DialTor: func(context.Context) (*net.UnixConn, error) {
			t.Errorf("%s: tor was dialled", name)
			return nil, io.EOF
		}})
		c := p.connect(t, "")
		if got := open(t, c, tc.request); got != tc.want {
			t.Errorf("%s: reply %d, want %d", name, got, tc.want)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%s: the connection stays open", name)
		}
		p.stop()
		if got := p.Stats().Refused; got != 1 {
			t.Errorf("%s: %d refusals counted", name, got)
		}
	}
}

// Other protocols are closed without an answer.
func TestOtherProtocolsAreClosed(t *testing.T) {
	p := newProxy(t, Options{DialTor: newFakeTor(t).dial})
	for name, bytes := range map[string]string{
		"SOCKS4":  "\x04\x01\x00\x50\x08\x08\x08\x08me\x00",
		"SOCKS4a": "\x04\x01\x00\x50\x00\x00\x00\x01me\x00example.com\x00",
		"HTTP":    "CONNECT example.com:443 HTTP/1.1\r\n\r\n",
		"TLS":     "\x16\x03\x01\x00\x05",
	} {
		c := p.connect(t, "")
		io.WriteString(c, bytes)
		if got, err := io.ReadAll(c); len(got) != 0 || isTimeout(err) {
			t.Errorf("%s: answered %q, %v", name, got, err)
		}
	}
	c := p.connect(t, "")
	io.WriteString(c, "\x05\x01\x01") // GSSAPI only
	if got, _ := io.ReadAll(c); string(got) != "\x05\xff" {
		t.Errorf("no usable method: % x", got)
	}
}

// tor's answers become those of RFC 1928.
func TestRepliesOfTor(t *testing.T) {
	for tors, want := range map[byte]int{
		1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 1, 0xff: 1,
		0xf0: 4, 0xf1: 4, 0xf2: 4, 0xf3: 4, 0xf4: 2, 0xf5: 2, 0xf6: 4, 0xf7: 6,
	} {
		tor := newFakeTor(t)
		tor.reply = []byte{5, tors, 0, 1, 0, 0, 0, 0, 0, 0}
		p := newProxy(t, Options{DialTor: tor.dial})
		if got := open(t, p.connect(t, ""), requestTo("example.com", 80)); got != want {
			t.Errorf("tor's %#x became %d, want %d", tors, got, want)
		}
		if got := p.Stats(); got.Failed != 1 || got.Refused != 0 {
			t.Errorf("tor's %#x: %+v", tors, got)
		}
	}
}

// tor may bind an address of any kind, of any length.
func TestRepliesOfEveryLength(t *testing.T) {
	for _, bound := range []string{"\x01\x01\x02\x03\x04\x00\x50", "\x04" + strings.Repeat("a", 16) + "\x00\x50", "\x03\x05abcde\x00\x50",
		"\x03\x00\x00\x50"} {
		tor := newFakeTor(t)
		tor.reply = []byte("\x05\x00\x00" + bound)
		c := newProxy(t, Options{DialTor: tor.dial}).connect(t, "")
		if code := open(t, c, requestTo("example.com", 80)); code != 0 {
			t.Errorf("% x: reply %d", bound, code)
			continue
		}
		io.WriteString(c, "ping")
		c.CloseWrite()
		if got, _ := io.ReadAll(c); string(got) != "ping" {
			t.Errorf("% x: the stream begins with %q", bound, got)
		}
	}
}

func TestTorIsAway(t *testing.T) {
	closed := newFakeTor(t)
	closed.ln.Close()
	silent := sockets.ListenUnix(t)
	for name, tor := range map[string]struct {
		ln      net.Listener
		timeout time.Duration
		want    int
	}{"closed": {closed.ln, 30 * time.Second, 1}, "silent": {silent, 200 * time.Millisecond, 6}} {
		p := newProxy(t, Options{DialTor: (&fakeTor{ln: tor.ln}).dial, ConnectTimeout: tor.timeout})
		if got := open(t, p.connect(t, ""), requestTo("example.com", 80)); got != tor.want {
			t.Errorf("%s: reply %d, want %d", name, got, tor.want)
		}
	}
}

// login opens a stream with credentials of the program's own.
func login(t *testing.T, c net.Conn, user, password string) int {
	t.Helper()
	fmt.Fprintf(c, "\x05\x02\x00\x02\x01%s%s%s%s%s",
		[]byte{byte(len(user))}, user, []byte{byte(len(password))}, password, requestTo("example.com", 80))
	hello := make([]byte, 4)
	if _, err := io.ReadFull(c, hello); err != nil || string(hello) != "\x05\x02\x01\x00" {
		t.Fatalf("hello: % x, %v", hello, err)
	}
	return readCode(c)
}

// Streams share credentials with tor only if they come from one device and
// the program gave the same ones.
func TestIsolation(t *testing.T) {
	tor := newFakeTor(t)
	p := newProxy(t, Options{DialTor: tor.dial})
	type who struct{ device, user, password string }
	all := []who{
		{"127.0.0.2", "", ""}, {"127.0.0.3", "", ""},
		{"127.0.0.2", "a", "bc"}, {"127.0.0.2", "ab", "c"}, {"127.0.0.3", "a", "bc"}, {"127.0.0.2", "a", ""},
		{"127.0.0.2", "127.0.0.3", strings.Repeat("x", 255)},
	}
	seen := make(map[[2]string]who)
	for _, w := range append(all, all...) {
		c := p.connect(t, w.device)
		code := 0
		if w.user == "" {
			code = open(t, c, requestTo("example.com", 80))
		} else {
			code = login(t, c, w.user, w.password)
		}
		if code != 0 {
			t.Fatalf("%v: reply %d", w, code)
		}
		streams := tor.asked()
		last := streams[len(streams)-1]
		if last.user != w.device || len(last.password) != 32 {
			t.Errorf("%v: tor got user %q and %d bytes of password", w, last.user, len(last.password))
		}
		key := [2]string{last.user, last.password}
		if other, ok := seen[key]; ok && other != w {
			t.Errorf("%v and %v have the same credentials", w, other)
		}
		seen[key] = w
	}
	if len(seen) != len(all) {
		t.Errorf("%d different credentials for %d", len(seen), len(all))
	}
	other := newProxy(t, Options{DialTor: tor.dial})
	if p.credentialsFor(netip.MustParseAddr("127.0.0.2"), credentials{}) == other.credentialsFor(netip.MustParseAddr("127.0.0.2"),
		credentials{}) {
		t.Error("another process has the same credentials")
	}
}

// The log keeps neither destinations nor credentials, whatever happens.
func TestLogIsSilent(t *testing.T) {
	var log bytes.Buffer
	tor := newFakeTor(t)
	tor.reply = []byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0}
	p := newProxy(t, Options{DialTor: tor.dial, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	for _, request := range []string{requestTo("secret.example.com", 80), requestTo("secret", 80), "\x05\x03\x00\x03\x06secret\x00\x50"} {
		open(t, p.connect(t, ""), request)
	}
	login(t, p.connect(t, ""), "secret", "secret")
	p.stop()
	if log.Len() != 0 {
		t.Errorf("the log has %q", log.String())
	}
}

func TestNewNeedsItsOptions(t *testing.T) {
	tor := newFakeTor(t)
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	for _, o := range []Options{
		{Home: house{}, DialTor: tor.dial}, {Log: logger, DialTor: tor.dial}, {Log: logger, Home: house{}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("New works with %+v", o)
		}
	}
}
