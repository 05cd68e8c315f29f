package onion

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func rewritten(t *testing.T, text string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	talk := newTalk(&Site{Host: "photos.lan", Keys: []string{"x"}})
	close(talk.ended) // nobody answers
	err := talk.requests(&out, iotest.OneByteReader(strings.NewReader(text)))
	return out.String(), err
}

func TestRewriteHosts(t *testing.T) {
	for name, text := range map[string]string{
		"one":         "GET / HTTP/1.1\r\nHost: @\r\n\r\n",
		"case, order": "GET /a?b HTTP/1.1\r\nX-Forwarded-Host: x.onion\r\nhOST: @\r\nACCEPT:  */*\r\n\r\n",
		"two":         "GET / HTTP/1.1\r\nHost: @\r\n\r\nHEAD / HTTP/1.1\r\nHost: @\r\n\r\n",
		"length":      "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 20\r\n\r\nHost: x.onion\r\n\r\n123GET / HTTP/1.1\r\nHost: @\r\n\r\n",
		"chunked": "POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nHost:\r\n0\r\nX: y\r\n\r\n" +
			"GET / HTTP/1.1\r\nHost: @\r\n\r\n",
		"upgrade":    "GET / HTTP/1.1\r\nHost: @\r\nUpgrade: h2c\r\n\r\nGET / HTTP/1.1\r\nHost: @\r\n\r\n",
		"its origin": "POST / HTTP/1.1\r\nHost: @\r\nOrigin: http://@\r\nReferer: http://@/a?b=http://x.onion/\r\n\r\n",
		"port":       "GET / HTTP/1.1\r\nReferer: http://@\r\nHost: @\r\norigin:https://@\r\n\r\n",
		"others":     "GET / HTTP/1.1\r\nHost: @\r\nOrigin: http://x.onion:80\r\nOrigin: null\r\nReferer: http://x.onion.example/\r\n\r\n",
		"no host":    "GET / HTTP/1.0\r\nOrigin: http://x.onion\r\n\r\n",
		"old":        "GET / HTTP/1.0\r\n\r\n",
		"asterisk":   "OPTIONS * HTTP/1.1\r\nHost: @\r\n\r\n",
		"nothing":    "",
	} {
		got, err := rewritten(t, strings.ReplaceAll(text, "@", "x.onion"))
		if want := strings.ReplaceAll(text, "@", "photos.lan"); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestOddRequests: what two servers could read in two ways is not passed on.
func TestOddRequests(t *testing.T) {
	const start = "POST / HTTP/1.1\r\nHost: x.onion\r\n"
	for name, text := range map[string]string{
		"no HTTP":         "SSH-2.0-x\r\n\r\n",
		"TLS":             "\x16\x03\x01\x02\x00\x01",
		"bare LF":         "GET / HTTP/1.1\nHost: x.onion\n\n",
		"bare CR":         "GET / HTTP/1.1\r\nHost: x.onion\rX: y\r\n\r\n",
		"two hosts":       start + "Host: y\r\n\r\n",
		"absolute form":   "GET http://admin.lan/ HTTP/1.1\r\nHost: x.onion\r\n\r\n",
		"connect":         "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
		"space in name":   "GET / HTTP/1.1\r\nHost : x.onion\r\n\r\n",
		"folded":          start + "X: a\r\n Host: y\r\n\r\n",
		"no colon":        start + "X\r\n\r\n",
		"two lengths":     start + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n1",
		"length and more": start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"signed length":   start + "Content-Length: +5\r\n\r\n12345",
		"huge length":     start + "Content-Length: 99999999999999999999\r\n\r\n",
		"encodings":       start + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"encoding":        start + "Transfer-Encoding: gzip\r\n\r\n",
		"version 2":       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"large":           start + "X: " + strings.Repeat("x", maxHead) + "\r\n\r\n",
		"many":            start + strings.Repeat("X: y\r\n", maxHead/6) + "\r\n",
	} {
		if got, err := rewritten(t, text); err == nil || got != "" {
			t.Errorf("%s: %v, and passed on was %.80q", name, err, got)
		}
	}
	for name, text := range map[string]string{
		"chunk size":   start + "Transfer-Encoding: chunked\r\n\r\n0x5\r\n12345\r\n0\r\n\r\n",
		"chunk end":    start + "Transfer-Encoding: chunked\r\n\r\n1\r\n12\r\n0\r\n\r\n",
		"half a head":  start,
		"half a body":  start + "Content-Length: 5\r\n\r\n1",
		"half a chunk": start + "Transfer-Encoding: chunked\r\n\r\n5\r\n1",
		"trailer":      start + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", maxHead/6+1) + "\r\n",
	} {
		if _, err := rewritten(t, text); err == nil || err == io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRelayRewritesHost: the answer comes back while the visitor still sends.
func TestRelayRewritesHost(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })}
	go server.Serve(ln)
	defer server.Close()
	f := &Front{TorUID: me()}
	dial, _ := start(t, f,
		map[uint16]Route{80: {"a", Relay{Dial: dialTo(ln.Addr().String()), Site: &Site{Host: "photos.lan:81", Keys: []string{"x"}}}}})
	c := dial(proxyLine(1, 80))
	in := bufio.NewReader(c)
	for range 2 {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x.onion\r\n\r\n")
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if page, err := io.ReadAll(answer.Body); string(page) != "photos.lan:81" || err != nil {
			t.Errorf("the server saw %q, %v", page, err)
		}
	}
}

// FuzzRewriteHosts: whatever is passed on, Go's server sees no other host in it.
func FuzzRewriteHosts(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: x.onion\r\n\r\nGET / HTTP/1.1\r\nHost: x.onion\r\n\r\n")
	f.Add("POST / HTTP/1.1\r\nHost: x.onion\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		talk := newTalk(&Site{Host: "photos.lan", Keys: []string{"x"}})
		close(talk.ended)
		_ = talk.requests(&out, strings.NewReader(text))
		in := bufio.NewReader(&out)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if r.Host != "photos.lan" && r.Host != "" {
				t.Fatalf("%q let the host %q pass", text, r.Host)
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
		}
	})
}
