package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunic/gateway/setup"
)

// shownText is what a terminal shows, for a reader beside the writer.
type shownText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shownText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shownText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// pageOf is a setup with a page on loopback, and a browser at it.
type pageOf struct {
	t      *testing.T
	s      *setupRun
	q      *quiet
	screen *shownText
	ended  chan error
	client *http.Client
	at     string
	code   string
	last   string // page that was got
}

var shownAt = regexp.MustCompile(`(http://127\.0\.0\.1:\d+/)\n\n  code: (\S+)\n`)

func newPageOf(ctx context.Context, t *testing.T, in io.Reader, change func(*setupRun)) *pageOf {
	t.Helper()
	s, q, _ := newQuietSetup(t, in)
	p := &pageOf{t: t, s: s, q: q, screen: new(shownText), ended: make(chan error, 1)}
	s.app.out, s.app.err, s.asker.Out = p.screen, p.screen, p.screen
	s.installer.Confirm = time.Minute
	s.listen = func(ctx context.Context, d setup.Door) (net.Listener, error) {
		if d.Interface != "lan0" {
			t.Errorf("there is a page at %+v", d)
		}
		return new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if change != nil {
		change(s)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.client = &http.Client{Jar: jar, Timeout: 30 * time.Second}
	go func() { p.ended <- s.runPage(ctx) }()
	waitFor(t, func() bool { return shownAt.MatchString(p.screen.String()) })
	m := shownAt.FindStringSubmatch(p.screen.String())
	p.at, p.code = m[1], m[2]
	return p
}

var word = regexp.MustCompile(`name="form" value="([^"]+)"`)

// get is the page; post sends one of its forms and returns the page that follows.
func (p *pageOf) get() string {
	resp, err := p.client.Get(p.at)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	return p.read(resp)
}

func (p *pageOf) read(resp *http.Response) string {
	text, _ := io.ReadAll(resp.Body)
	p.last = string(text)
	return p.last
}

func (p *pageOf) post(path string, fields url.Values) string {
	p.t.Helper()
	if m := word.FindStringSubmatch(p.get()); m != nil {
		fields.Set("form", m[1])
	}
	resp, err := p.client.PostForm(p.at+path, fields)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	return p.read(resp)
}

// agree answers all questions and says yes.
func (p *pageOf) agree() {
	p.t.Helper()
	p.post("code", url.Values{"code": {p.code}})
	p.post("answer", url.Values{"topic": {"household"}, "answer": {"lan0"}})
	p.post("answer", url.Values{"topic": {"servers"}, "answer": {"mail"}})
	if shown := p.post("answer", url.Values{"topic": {"user"}, "answer": {"ann"}}); !strings.Contains(shown, "This will happen") {
		p.t.Fatalf("%s", shown)
	}
	if len(p.q.calls) > 0 {
		p.t.Errorf("before anybody agreed: %q", p.q.calls)
	}
	p.post("apply", url.Values{})
}

func (p *pageOf) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(30 * time.Second):
		p.t.Fatalf("it waits on: %s", p.screen)
	}
	return nil
}

// silent is a terminal at which nobody types.
func silent(t *testing.T) io.Reader {
	in, typed := io.Pipe()
	t.Cleanup(func() { typed.Close() })
	return in
}

// Whoever decides first decides: the page, the terminal, another login, the time.
func TestSetupOnAPage(t *testing.T) {
	for name, c := range map[string]struct {
		typed  string // at the terminal; "-" is a terminal that is closed
		decide func(*pageOf, context.CancelFunc)
		kept   bool
	}{
		"confirmed on the page": {"", func(p *pageOf, _ context.CancelFunc) { p.post("decide", url.Values{"decision": {"keep"}}) }, true},
		"without a terminal":    {"-", func(p *pageOf, _ context.CancelFunc) { p.post("decide", url.Values{"decision": {"keep"}}) }, true},
		"taken back on it":      {"", func(p *pageOf, _ context.CancelFunc) { p.post("decide", url.Values{"decision": {"back"}}) }, false},
		"on the terminal":       {"yes\n", func(*pageOf, context.CancelFunc) {}, true},
		"no on the terminal":    {"no\n", func(*pageOf, context.CancelFunc) {}, false},
		"Control-C":             {"", func(_ *pageOf, stop context.CancelFunc) { stop() }, false},
		"nobody":                {"", func(p *pageOf, _ context.CancelFunc) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := silent(t)
			switch c.typed {
			case "":
			case "-":
				in = strings.NewReader("")
			default:
				in = io.MultiReader(strings.NewReader(c.typed), in)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			p := newPageOf(ctx, t, in, func(s *setupRun) {
				if name == "nobody" {
					s.installer.Confirm = 2 * time.Second
				}
			})
			p.agree()
			waitFor(t, func() bool { shown := p.get(); return !strings.Contains(shown, "being set up") })
			c.decide(p, stop)
			if name != "Control-C" {
				end := "It was not kept"
				if c.kept {
					end = "your household&#39;s gateway from now on"
				}
				waitFor(t, func() bool { return strings.Contains(p.last, end) || strings.Contains(p.get(), end) })
			}
			err := p.end()
			if (err == nil) != c.kept || err != nil && !strings.Contains(explain(err).hint, "as it was before") {
				t.Errorf("%v: %s", err, p.screen)
			}
			_, missing := os.Stat(p.s.paths().Main())
			kept, called := missing == nil, func(call string) bool { return slices.Contains(p.q.calls, call) }
			if kept != c.kept || called("open") == c.kept || !called("add ann") {
				t.Errorf("%v, %q", missing, p.q.calls)
			}
			for _, text := range []string{"\npassword of ann: ", `interfaces = ["lan0"]`, "typed at 127.0.0.1."} {
				if !strings.Contains(p.screen.String(), text) {
					t.Errorf("the terminal does not say %s: %s", text, p.screen)
				}
			}
			if _, err := p.client.Get(p.at); err == nil {
				t.Error("there is a page after the end")
			}
		})
	}
}

// Before anybody agrees nothing is changed: after ten wrong codes, Control-C, or where
// there is no place for a page.
func TestSetupPageChangesNothing(t *testing.T) {
	p := newPageOf(t.Context(), t, silent(t), nil)
	for range 10 {
		p.post("code", url.Values{"code": {"AAAA-AAAA"}})
	}
	err := p.end()
	if err == nil || !strings.Contains(err.Error(), "10 wrong codes") || explain(err).hint != nothingChanged || len(p.q.calls) > 0 {
		t.Errorf("%v, %q", err, p.q.calls)
	}
	ctx, stop := context.WithCancel(t.Context())
	p = newPageOf(ctx, t, silent(t), nil)
	p.post("code", url.Values{"code": {p.code}})
	stop()
	if err = p.end(); err == nil || explain(err).hint != nothingChanged || len(p.q.calls) > 0 {
		t.Errorf("%v, %q", err, p.q.calls)
	}
	for name, change := range map[string]func(*setupRun){
		"one cable": func(s *setupRun) {
			look := s.look
			s.look = func(ctx context.Context) (setup.Box, error) {
				b, err := look(ctx)
				b.Links = b.Links[:1]
				return b, err
			}
		},
		"the port is taken": func(s *setupRun) {
			s.listen = func(context.Context, setup.Door) (net.Listener, error) {
				return nil, errors.New("address already in use")
			}
		},
	} {
		s, q, out := newQuietSetup(t, silent(t))
		change(s)
		if err := s.runPage(t.Context()); err == nil || explain(err).hint != nothingChanged || strings.Contains(out.String(), "code:") ||
			len(q.calls) > 0 {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}

// The socket takes packets of the household's interface alone.
func TestPageListensOnOneInterface(t *testing.T) {
	l, err := listenAt(t.Context(), setup.Door{Interface: "nowhere0", Addr: netip.MustParseAddr("127.0.0.1")})
	if err == nil {
		l.Close()
		t.Error("it listens on an interface that there is not")
	}
}
