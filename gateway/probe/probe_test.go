package probe

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const host = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

// server accepts once and talks.
func server(t *testing.T, talk func(net.Conn)) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		talk(c)
		io.Copy(io.Discard, c)
	}()
	return dial(t, ln.Addr().String())
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func says(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text) }
}

// answers reads as long as the question is, then says the text.
func answers(question int, text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, question)); err == nil {
			io.WriteString(c, text)
		}
	}
}

func TestServersThatSpeakTheirProtocol(t *testing.T) {
	status := `{"version":{"name":"1.21"},"players":{"max":20,"online":0}}`
	packet := binary.AppendUvarint(append(binary.AppendUvarint(nil, uint64(len(status)+2)), 0), uint64(len(status)))
	for _, tc := range []struct {
		kind string
		talk func(net.Conn)
		saw  string
	}{
		{"tcp", says(""), ""},
		{"ssh", says("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "SSH-2.0-OpenSSH_9.2p1 Debian-2"},
		{"ssh", says("Welcome to this host\r\nSSH-2.0-OpenSSH_9.2\r\n"), "SSH-2.0-OpenSSH_9.2"}, // RFC 4253, section 4.2
		{"smtp", says("220 mail ESMTP\r\n"), "220 mail ESMTP"},
		{"imap", says("* OK [CAPABILITY IMAP4rev1] ready\r\n"), "* OK [CAPABILITY IMAP4rev1] ready"},
		{"vnc", says("RFB 003.008\n"), "RFB 003.008"},
		{"rsync", says("@RSYNCD: 31.0\n"), "@RSYNCD: 31.0"},
		{"irc", answers(6, "ERROR :Closing Link\r\n"), "IRC"},
		{"xmpp-client", answers(100, "<?xml version='1.0'?><stream:stream id='1'>"), "XMPP"},
		{"xmpp-server", answers(100, "<stream:stream id='1'>"), "XMPP"},
		{"gopher", answers(2, "ihello\t\tbox\t70\r\n.\r\n"), "a Gopher menu"},
		{"rdp", answers(19, "\x03\x00\x00\x13"), "RDP"},
		{"9p", answers(19, "\x13\x00\x00\x00\x65\xff\xff\x00\x20\x00\x00"), "9P"},
		{"smb", answers(4+64+36+4, "\x00\x00\x00\x40\xfeSMB"), "SMB"},
		{"minecraft", answers(60, string(packet)+status), "Minecraft 1.21"},
	} {
		got, err := Check(t.Context(), server(t, tc.talk), tc.kind, host)
		if err != nil || got.Saw != tc.saw {
			t.Errorf("%s: %+v, %v", tc.kind, got, err)
		}
	}
}

// A web server that answers everything else is the same to each protocol.
func TestServersThatSpeakAnother(t *testing.T) {
	for _, kind := range Kinds() {
		if kind == "tcp" {
			continue
		}
		got, err := Check(t.Context(), server(t, says("\xff\xfahello, this is\nno protocol that\nanybody knows>.....\n")), kind, host)
		if !errors.Is(err, ErrOther) {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
	}
}

func TestServersThatSayNothing(t *testing.T) {
	for _, kind := range Kinds() {
		if kind == "tcp" {
			continue
		}
		for _, early := range []bool{false, true} { // the time is over before anything is said
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			c := server(t, func(net.Conn) {})
			if early {
				c.SetDeadline(time.Unix(1, 0))
			}
			got, err := Check(ctx, c, kind, host)
			cancel()
			if !errors.Is(err, errNothing) {
				t.Errorf("%s, silent, %v: %+v, %v", kind, early, got, err)
			}
		}
		_, err := Check(t.Context(), server(t, func(c net.Conn) { c.(*net.TCPConn).CloseWrite() }), kind, host)
		if err == nil || !strings.Contains(err.Error(), "closes them at once") && !strings.Contains(err.Error(), "breaks off") {
			t.Errorf("%s, closed: %v", kind, err)
		}
	}
	if _, err := Check(t.Context(), server(t, says("")), "telepathy", host); err == nil {
		t.Error("a protocol that nobody knows was probed")
	}
}

func TestWeb(t *testing.T) {
	asked := make(chan *http.Request, 9)
	handler := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked <- r
			w.Header().Set("Server", "nginx/1.22")
			w.WriteHeader(status)
		}
	}
	for _, tc := range []struct {
		status  int
		refuses bool
		err     string
	}{
		{200, false, ""}, {401, false, ""}, {302, false, ""}, {404, false, ""}, {500, false, ""},
		{400, true, ""}, {421, true, ""}, {502, false, "the application behind it is down"}, {503, false, "down"},
	} {
		plain := httptest.NewServer(handler(tc.status))
		defer plain.Close()
		got, err := Check(t.Context(), dial(t, plain.Listener.Addr().String()), "http", host)
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%d: %v", tc.status, err)
		}
		if want := fmt.Sprintf("HTTP %d, nginx/1.22", tc.status); got.Saw != want || got.RefusesName != tc.refuses {
			t.Errorf("%d: %+v", tc.status, got)
		}
		if r := <-asked; r.Host != host || r.Method != http.MethodHead || r.URL.Path != "/" || r.UserAgent() != "" {
			t.Errorf("the application was asked %s %s of %s by %q", r.Method, r.URL, r.Host, r.UserAgent())
		}
	}
}

func TestWebWithTLS(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	addr := secure.Listener.Addr().String()
	if got, err := Check(t.Context(), dial(t, addr), "https", host); err != nil || got.Saw != "HTTP 404, TLS 1.3" {
		t.Errorf("https: %+v, %v", got, err)
	}
	if got, err := Check(t.Context(), dial(t, addr), "tls", host); err != nil || got.Saw != "TLS 1.3" {
		t.Errorf("tls: %+v, %v", got, err)
	}
	// Go's server answers plain HTTP with status 400.
	if got, err := Check(t.Context(), dial(t, addr), "http", host); err != nil || !got.RefusesName {
		t.Errorf("http to a TLS server: %+v, %v", got, err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if _, err := Check(t.Context(), dial(t, plain.Listener.Addr().String()), "https", host); !errors.Is(err, ErrOther) {
		t.Errorf("https to a plain server: %v", err)
	}
}

// A server that never stops talking costs little.
func TestEndlessServers(t *testing.T) {
	for _, kind := range Kinds() {
		if kind == "tcp" {
			continue
		}
		begin := time.Now()
		_, err := Check(t.Context(), server(t, func(c net.Conn) {
			w := bufio.NewWriter(c)
			for range 1 << 20 {
				if _, err := w.WriteString("HTTP/1.1 "); err != nil {
					return
				}
			}
		}), kind, host)
		if err == nil || time.Since(begin) > 2*Timeout {
			t.Errorf("%s: %v after %s", kind, err, time.Since(begin))
		}
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"SSH-2.0-x\r\n":             "SSH-2.0-x",
		"a\x1b]0;evil\x07b":         "a ]0;evil b",
		"\xff\xfe":                  "?",
		"left \u202eright":          "left right",
		strings.Repeat("é", 200):    strings.Repeat("é", 80),
		strings.Repeat("word ", 99): strings.TrimSpace(strings.Repeat("word ", 16)) + " ",
	} {
		if got := Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("220 x\r\n", uint8(0))
	f.Add("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", uint8(1))
	f.Add("\x16\x03\x01\x00\x05hello", uint8(2))
	f.Fuzz(func(t *testing.T, said string, n uint8) {
		kind := Kinds()[int(n)%len(Kinds())]
		near, far := net.Pipe()
		defer near.Close()
		go io.Copy(io.Discard, far)
		go func() { io.WriteString(far, said); far.Close() }()
		got, _ := Check(t.Context(), near, kind, host)
		if got.Saw != Line(got.Saw) {
			t.Errorf("%s: %q is not plain", kind, got.Saw)
		}
	})
}
