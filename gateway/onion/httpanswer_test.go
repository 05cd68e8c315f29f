package onion

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// visited is a visitor's connection through a front with host = "photos.lan" to
// a server.
func visited(t *testing.T, server func(net.Conn)) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		c, err := ln.Accept()
		if err == nil {
			server(c)
			c.Close()
		}
	}()
	dial, _ := start(t, &Front{TorUID: me()},
		map[uint16]Route{80: {"a", Relay{Dial: dialTo(ln.Addr().String()), Site: &Site{Host: "photos.lan", Keys: []string{"x"}}}}})
	return dial(proxyLine(1, 80))
}

// plainServer is Go's server, which declines what it does not know, and tells
// the host that it was asked for.
func plainServer(c net.Conn) {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && http.NewCrossOriginProtection().Check(r) != nil {
			w.WriteHeader(http.StatusForbidden)
		}
		io.WriteString(w, r.Host)
	})}
	ln := &oneListener{c: c, end: make(chan struct{})}
	server.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			close(ln.end)
		}
	}
	server.Serve(ln)
}

// oneListener accepts one connection.
type oneListener struct {
	c   net.Conn
	end chan struct{}
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c := l.c; c != nil {
		l.c = nil
		return c, nil
	}
	<-l.end
	return nil, io.EOF
}
func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }

const h2c = "GET /1 HTTP/1.1\r\nHost: x.onion\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" +
	"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"

// TestUpgradeDeclined: a server that stays with HTTP/1.1 finds its host in later
// requests too, whether the visitor waits for the answer or not.
func TestUpgradeDeclined(t *testing.T) {
	const get, head = "GET /2 HTTP/1.1\r\nHost: x.onion\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: x.onion\r\n\r\n"
	for name, parts := range map[string][][]string{
		"one after the other": {{h2c}, {get}, {h2c}, {get}},
		"at once":             {{h2c, get, h2c, get}},
		"after others":        {{head, get, h2c}, {get}},
	} {
		c := visited(t, plainServer)
		in := bufio.NewReader(c)
		for _, part := range parts {
			io.WriteString(c, strings.Join(part, ""))
			for _, request := range part {
				method, _, _ := strings.Cut(request, " ")
				answer, err := http.ReadResponse(in, &http.Request{Method: method})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if page, err := io.ReadAll(answer.Body); method == "GET" && string(page) != "photos.lan" || err != nil {
					t.Errorf("%s: the server saw %q, %v", name, page, err)
				}
			}
		}
		c.Close()
	}
}

// TestUpgradeTaken: behind 101 both sides are left as they are.
func TestUpgradeTaken(t *testing.T) {
	frame := "\x81\x85\x00Host: x.onion\r\n\n"
	c := visited(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil || r.Host != "photos.lan" || r.Header.Get("Origin") != "http://photos.lan" {
			t.Errorf("%v, %v", r, err)
		}
		io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nhello")
		io.Copy(c, c)
	})
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x.onion\r\nOrigin: http://x.onion\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(c)
	for range 2 {
		if _, err := http.ReadResponse(in, nil); err != nil {
			t.Fatal(err)
		}
	}
	io.WriteString(c, frame)
	got := make([]byte, len("hello"+frame))
	if _, err := io.ReadFull(in, got); string(got) != "hello"+frame || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestOriginIsHost: a server that compares Origin with Host takes what a page of
// its own sends, and no other's.
func TestOriginIsHost(t *testing.T) {
	for origin, want := range map[string]int{"http://x.peer.home.arpa": 200, "http://evil.example": 403, "null": 403} {
		c := visited(t, plainServer)
		fmt.Fprintf(c, "POST /login HTTP/1.1\r\nHost: x.peer.home.arpa\r\nOrigin: %s\r\nContent-Length: 8\r\n\r\nuser=ann", origin)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || answer.StatusCode != want {
			t.Errorf("%s: %v, %v; want %d", origin, answer, err, want)
		}
		c.Close()
	}
}

// answersOf passes answers to requests on.
func answersOf(text string, requests ...asked) (string, error) {
	talk := newTalk(&Site{Host: "photos.lan", Keys: nil})
	for _, a := range requests {
		talk.asked <- a
	}
	var out bytes.Buffer
	err := talk.answers(&out, iotest.OneByteReader(strings.NewReader(text)))
	return out.String(), err
}

// TestAnswersStay: answers pass as they are, and each is found to end where it
// does: the last one says that an Upgrade was taken.
func TestAnswersStay(t *testing.T) {
	const last = "HTTP/1.1 101 Switching Protocols\r\n\r\nraw\x00"
	for name, text := range map[string]string{
		"length":     "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHTTP/1.1 200",
		"chunked":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5;x=y\r\n12345\r\n0\r\nX: y\r\n\r\n",
		"not found":  "HTTP/1.0 404\nContent-Length:0\n\n",
		"no content": "HTTP/1.1 204 No Content\r\n\r\n",
		"unchanged":  "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"interim":    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
	} {
		offer := make(chan bool, 1)
		got, err := answersOf(text+last, asked{}, asked{switched: offer})
		if got != text+last || err != nil || len(offer) != 1 || !<-offer {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	offer := make(chan bool, 1)
	text := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + last
	if got, err := answersOf(text, asked{bodiless: true}, asked{switched: offer}); got != text || err != nil || !<-offer {
		t.Errorf("HEAD: %q, %v", got, err)
	}
}

// FuzzAnswers: whatever a server sends, the visitor gets it unchanged.
func FuzzAnswers(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345HTTP/1.1 101 S\r\n\r\nraw")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\nHTTP/1.1 408\n\n")
	f.Add("SSH-2.0-x\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := answersOf(text, asked{}, asked{switched: make(chan bool, 1)})
		if !strings.HasPrefix(text, got) || err == nil && got != text {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
	})
}
