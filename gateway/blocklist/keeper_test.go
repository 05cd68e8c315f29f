package blocklist

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// internet is an internet of which the keeper sees what its dialer leads to.
type internet struct {
	*httptest.Server
	keeper *Keeper
	dir    string

	mu      sync.Mutex
	answer  http.HandlerFunc
	dialled []string // host:port
	apart   map[string]bool
	dead    bool
}

// newInternet has a web server with a certificate for example.com.
func newInternet(t *testing.T) *internet {
	t.Helper()
	n := &internet{dir: t.TempDir(), apart: make(map[string]bool)}
	n.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		answer := n.answer
		n.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(n.Close)
	n.serve("0.0.0.0 ads.example\n@@||good.ads.example^\n")
	n.keeper = n.newKeeper(t)
	return n
}

func (n *internet) newKeeper(t *testing.T) *Keeper {
	roots := x509.NewCertPool()
	roots.AddCert(n.Certificate())
	k := New(Options{Log: slog.New(slog.DiscardHandler), Roots: roots,
		Dial: func(ctx context.Context, isolation, host string, port uint16) (net.Conn, error) {
			n.mu.Lock()
			n.dialled, n.apart[isolation] = append(n.dialled, fmt.Sprintf("%s:%d", host, port)), true
			dead := n.dead
			n.mu.Unlock()
			if dead {
				return nil, Unreached("tor could not reach it")
			}
			return new(net.Dialer).DialContext(ctx, "tcp", n.Listener.Addr().String())
		}})
	t.Cleanup(func() { k.Set(context.Background(), "", nil) })
	return k
}

func (n *internet) serve(text string) {
	n.set(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) })
}

func (n *internet) set(f http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = f
}

// wait waits until the only list is as is says.
func wait(t *testing.T, k *Keeper, is func(Status) bool) Status {
	t.Helper()
	var s Status
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if all := k.Status(); len(all) > 0 {
			if s = all[0]; is(s) {
				return s
			}
		}
	}
	t.Fatalf("the list is %+v", s)
	return s
}

func ready(s Status) bool  { return s.Names > 0 && s.Error == "" }
func failed(s Status) bool { return s.Error != "" }

const listURL = "https://example.com/hosts.txt"

func TestFetchedThroughTheDialer(t *testing.T) {
	n := newInternet(t)
	n.keeper.Set(t.Context(), n.dir, []List{{Source: listURL}})
	s := wait(t, n.keeper, ready)
	if s.Counts != (Counts{Names: 1, Exceptions: 1}) || s.From.IsZero() {
		t.Errorf("%+v", s)
	}
	for name, want := range map[string]bool{"ads.example": true, "x.y.ads.example": true, "good.ads.example": false,
		"a.good.ads.example": false, "example": false, "xads.example": false, "other.example": false} {
		if got := n.keeper.Blocked(name); got != want {
			t.Errorf("%s is blocked: %t", name, got)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.dialled) != 1 || n.dialled[0] != "example.com:443" {
		t.Errorf("dialled %q", n.dialled)
	}
	info, err := os.Stat(copyOf(n.dir, listURL))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v %v", info, err)
	}
}

// A copy is good for a day, over a restart and when the server is gone.
func TestCopyOutlivesRestartAndServer(t *testing.T) {
	n := newInternet(t)
	n.keeper.Set(t.Context(), n.dir, []List{{Source: listURL}})
	wait(t, n.keeper, ready)
	n.keeper.Set(t.Context(), "", nil)
	if n.keeper.Blocked("ads.example") {
		t.Error("without lists a name is blocked")
	}
	n.dead = true
	again := n.newKeeper(t)
	again.Set(t.Context(), n.dir, []List{{Source: listURL}})
	wait(t, again, ready)
	if len(n.dialled) != 1 {
		t.Errorf("a copy of this minute was fetched again: %q", n.dialled)
	}
	old := time.Now().Add(-fresh - time.Minute)
	if err := os.Chtimes(copyOf(n.dir, listURL), old, old); err != nil {
		t.Fatal(err)
	}
	later := n.newKeeper(t)
	later.Set(t.Context(), n.dir, []List{{Source: listURL}})
	s := wait(t, later, failed)
	if s.Error != "tor could not reach it" || s.Names != 1 || !later.Blocked("ads.example") {
		t.Errorf("without a server: %+v", s)
	}
	if w := later.wait(); w < tryAgain-time.Second || w > tryAgain {
		t.Errorf("it tries again in %s", w)
	}
}

// What is fetched a day later is in force, and on circuits of its own.
func TestRefreshed(t *testing.T) {
	n := newInternet(t)
	k := n.keeper
	k.known = []*entry{{Status: Status{Source: listURL}, path: copyOf(n.dir, listURL)}}
	day := time.Now()
	k.now = func() time.Time { return day }
	if !k.refresh(t.Context()) || k.refresh(t.Context()) {
		t.Fatal("it is fetched once a day")
	}
	if w := k.wait(); w != fresh {
		t.Errorf("the next time is in %s", w)
	}
	n.serve("||other.example^\n")
	day = day.Add(fresh)
	if !k.refresh(t.Context()) {
		t.Fatal("not fetched after a day")
	}
	k.rebuild()
	if !k.Blocked("other.example") || k.Blocked("ads.example") || len(n.apart) != 2 {
		t.Errorf("other %t, ads %t, %d circuits", k.Blocked("other.example"), k.Blocked("ads.example"), len(n.apart))
	}
	n.dead, k.known[0].next = true, time.Time{}
	for i, want := range []time.Duration{tryAgain, 2 * tryAgain, 4 * tryAgain, 8 * tryAgain, tryAway, tryAway, 2 * tryAway} {
		if want > tryAway { // somebody is there, and has no list
			n.mu.Lock()
			n.dead = false
			n.mu.Unlock()
			n.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
		}
		k.refresh(t.Context())
		if k.known[0].failed != want {
			t.Errorf("failure %d: it waits %s", i, k.known[0].failed)
		}
		day = day.Add(want)
	}
}

// Whatever comes that is no list, the last good copy stays.
func TestBadAnswers(t *testing.T) {
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	for want, answer := range map[string]http.HandlerFunc{
		"the server answers 404":           http.NotFound,
		"no names in a form that is known": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>\nno")) },
		"longer than 16 MiB": func(w http.ResponseWriter, _ *http.Request) {
			line := []byte(strings.Repeat("a.example\n", 1<<16))
			for range 30 {
				w.Write(line)
			}
		},
		"to another place too often":            redirect("https://example.com/again"),
		"http:// is for onions alone":           redirect("http://example.com/plain"),
		"its server has no name":                redirect("https://192.168.77.1/"),
		"certificate is not valid":              redirect("https://other.test.example/"),
		"the connection ended before":           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"only https:// is fetched, and http://": redirect("ftp://example.com/"),
	} {
		t.Run(want, func(t *testing.T) {
			n := newInternet(t)
			k := n.keeper
			k.known = []*entry{{Status: Status{Source: listURL}, path: copyOf(n.dir, listURL)}}
			k.refresh(t.Context())
			n.set(answer)
			k.known[0].next = time.Time{}
			if k.refresh(t.Context()) {
				t.Error("it was taken for a list")
			}
			k.rebuild()
			if s := k.Status()[0]; !strings.Contains(s.Error, want) || s.Names != 1 || !k.Blocked("ads.example") {
				t.Errorf("%+v, want %q", s, want)
			}
			if files, _ := os.ReadDir(n.dir); len(files) != 1 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

func TestFilesAndBounds(t *testing.T) {
	n := newInternet(t)
	n.keeper.max = 3
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	os.WriteFile(one, []byte("a.example\nb.example\n"), 0o644)
	os.WriteFile(two, []byte("c.example\nd.example\n"), 0o644)
	n.keeper.Set(t.Context(), n.dir, []List{{Source: one, Version: "1"}, {Source: two}, {Source: dir}, {Source: dir + "/none"}})
	wait(t, n.keeper, ready)
	for i, want := range []string{"", "more than 3 names", "it is no file", "the file is not there"} {
		s := n.keeper.Status()[i]
		for end := time.Now().Add(30 * time.Second); (s.Error == "") != (want == "") && time.Now().Before(end); s = n.keeper.Status()[i] {
			time.Sleep(10 * time.Millisecond)
		}
		if (s.Error == "") != (want == "") || !strings.Contains(s.Error, want) {
			t.Errorf("list %d: %+v", i, s)
		}
	}
	if !n.keeper.Blocked("b.example") || n.keeper.Blocked("c.example") || n.keeper.Blocked("d.example") {
		t.Error("a list that is too long is in force by half, or the other is not")
	}
	os.WriteFile(one, []byte("e.example\n"), 0o644)
	n.keeper.Set(t.Context(), n.dir, []List{{Source: one, Version: "2"}})
	changed := func() bool { return n.keeper.Blocked("e.example") && !n.keeper.Blocked("a.example") }
	for end := time.Now().Add(30 * time.Second); !changed() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if !n.keeper.Blocked("e.example") || n.keeper.Blocked("a.example") {
		t.Error("the file has changed, the list has not")
	}
	if files, _ := os.ReadDir(n.dir); len(files) != 1 {
		t.Errorf("copies of lists that are none any more: %v", files)
	}
}

// TestBytesForAName: what stays in memory is eight bytes for each name.
func TestBytesForAName(t *testing.T) {
	const names = 200_000
	n := newInternet(t)
	file := filepath.Join(t.TempDir(), "many")
	var text strings.Builder
	for i := range names {
		fmt.Fprintf(&text, "0.0.0.0 tracker-%d.some-advertiser.example\n", i)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n.keeper.known = []*entry{{Status: Status{Source: file}, path: file}}
	n.keeper.rebuild()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(text.String())
	if each := float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / names; each > 9 {
		t.Errorf("%.1f bytes for a name", each)
	}
	last := fmt.Sprintf("x.tracker-%d.some-advertiser.example", names-1)
	if !n.keeper.Blocked(last) || n.keeper.Blocked("tracker-x.some-advertiser.example") {
		t.Error("it does not know its names")
	}
}
