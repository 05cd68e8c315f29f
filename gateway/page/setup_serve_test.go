package page

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"tunic/gateway/setup"
)

// serveSetup serves the page on loopback and returns where.
func serveSetup(t *testing.T, change func(*bounds)) (*Setup, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewSetup(&bareBox{}, "K7QX-M2PA", []netip.AddrPort{netip.MustParseAddrPort(l.Addr().String())})
	change(&s.bounds)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.Serve(ctx, l); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	return s, l.Addr().String()
}

// A long form is refused before it is read, and so is a long header.
func TestSetupOversized(t *testing.T) {
	s, at := serveSetup(t, func(*bounds) {})
	form := url.Values{"code": {"K7QX-M2PA"}, "form": {s.word}, "more": {strings.Repeat("x", maxBody)}}
	post := func(path string, want int) *http.Response {
		t.Helper()
		c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := c.PostForm("http://"+at+path, form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Fatalf("%d, want %d", resp.StatusCode, want)
		}
		return resp
	}
	post("/code", http.StatusBadRequest)
	form.Del("more")
	post("/code?"+strings.Repeat("x", 16<<10), http.StatusRequestHeaderFieldsTooLarge)
	if s.InUse() {
		t.Fatal("a form that is too long was read")
	}
	if resp := post("/code", http.StatusSeeOther); !s.InUse() || !resp.Close {
		t.Error("the next request has the same connection")
	}
}

// Who is slow is hung up on.
func TestSetupSlow(t *testing.T) {
	_, at := serveSetup(t, func(b *bounds) { b.header, b.read = 200*time.Millisecond, 400*time.Millisecond })
	for _, text := range []string{"", "GET / HTTP/1.1\r\nHost: ",
		"POST /code HTTP/1.1\r\nHost: " + at + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nco"} {
		begun := time.Now()
		c := dialled(t, at, text)
		c.SetReadDeadline(begun.Add(30 * time.Second))
		var err error
		for err == nil {
			_, err = c.Read(make([]byte, 512))
		}
		if took := time.Since(begun); took < 100*time.Millisecond || os.IsTimeout(err) {
			t.Errorf("%q: %v after %v", text, err, took)
		}
	}
}

// However many come, they are bounded, and when they have gone there is room again.
func TestSetupHasRoomForFew(t *testing.T) {
	_, at := serveSetup(t, func(b *bounds) { b.conns, b.header, b.read = 3, time.Minute, time.Minute })
	var few []net.Conn
	for range 3 {
		few = append(few, dialled(t, at, "GET / HTTP/1.1\r\n"))
	}
	more := dialled(t, at, "")
	more.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := more.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the fourth: %v", err)
	}
	for _, c := range few {
		c.Close()
	}
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + at + "/")
		if err == nil {
			if resp.Body.Close(); resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Since(begin) > 30*time.Second {
			t.Fatal("there is no room again: ", err)
		}
	}
}

func dialled(t *testing.T, at, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprint(c, text)
	return c
}

// slowPlan takes its time for what a browser waits for.
type slowPlan struct {
	bareBox
	begun chan struct{}
}

func (b *slowPlan) Next(context.Context, []string) (setup.Question, setup.Answers, error) {
	close(b.begun)
	time.Sleep(300 * time.Millisecond)
	return setup.Question{}, setup.Answers{}, nil
}

// The end of a setup cuts no answer off.
func TestSetupEndsWhole(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &slowPlan{begun: make(chan struct{})}
	s := NewSetup(box, "K7QX-M2PA", []netip.AddrPort{netip.MustParseAddrPort(l.Addr().String())})
	session, _ := s.tryCode("K7QXM2PA")
	ctx, stop := context.WithCancel(t.Context())
	got := make(chan string, 1)
	go func() {
		r, _ := http.NewRequest("GET", "http://"+l.Addr().String()+"/", nil)
		r.AddCookie(&http.Cookie{Name: setupCookie, Value: session})
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		got <- resp.Status
	}()
	go func() { <-box.begun; stop() }()
	begun := time.Now()
	s.Serve(ctx, l)
	if took := time.Since(begun); took < 250*time.Millisecond {
		t.Errorf("it ended after %v, before it had answered", took)
	}
	if status := <-got; status != "200 OK" {
		t.Error(status)
	}
}
