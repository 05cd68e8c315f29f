package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/health"
)

// hostile is what somebody says who knows terminals: it names the window, clears
// it, begins a line of its own, and turns the direction of writing round.
const hostile = "x\x1b]0;pwned\x07\x1b[2J\x9b2J\u009b2J\x7f\u202e\r\nFORGED\u2028y"

// fill puts the hostile text wherever a value has text.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Uint64:
		if v.CanInt() {
			v.SetInt(7)
		}
	case reflect.Pointer:
		if depth < 6 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		if depth < 6 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), depth+1)
		}
	case reflect.Struct:
		if _, isTime := v.Interface().(time.Time); isTime {
			v.Set(reflect.ValueOf(time.Unix(1_800_000_000, 0)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), depth+1)
			}
		}
	}
}

func filled[T any](more ...func(*T)) T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), 0)
	for _, m := range more {
		m(&v)
	}
	return v
}

// answering is a daemon that has one answer to everything. What it is asked goes into
// asked, if there is one.
func answering(t *testing.T, status int, answer any, asked ...any) *app {
	t.Helper()
	out := new(bytes.Buffer)
	root := t.TempDir()
	a := &app{in: strings.NewReader(""), out: out, err: out, env: func(string) string { return root }, root: root, uid: os.Geteuid()}
	path := a.paths().API()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, to := range asked {
			if err := json.NewDecoder(r.Body).Decode(to); err != nil {
				t.Error(err)
			}
		}
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(answer)
	})}
	go server.Serve(ln)
	t.Cleanup(func() { server.Close() })
	return a
}

// Nothing that a friend, a stranger, a device or a server has said is an order to
// the terminal of whoever looks, nor stands on a line of its own.
func TestForeignTextIsText(t *testing.T) {
	peer := filled(func(p *api.Peer) { p.State = api.PeerFriend })
	invited := filled(func(p *api.Peer) { p.State = api.PeerInvited })
	letter := filled(func(l *api.Letter) { l.Header = "Subject: " + strings.ReplaceAll(hostile, "\r\n", "\r\n ") + "\r\n" })
	status := filled(func(s *api.Status) { s.Ready = false; s.Findings[0].Severity = health.Error })
	for words, x := range map[string]struct {
		code   int
		answer any
		lines  bool // texts have lines of their own here
	}{
		"mail queue": {200, []api.Letter{letter}, false}, "mail show x": {200, letter, true},
		"mail flush x": {200, filled[api.MailFlush](), false},
		"friends":      {200, []api.Peer{peer, invited}, false}, "status": {200, status, false}, "onions": {200, status, false},
		"devices": {200, []api.Device{filled[api.Device]()}, false}, "logs dovecot": {200, []string{hostile}, false},
		"user list": {200, []api.User{filled[api.User]()}, false}, "plan": {200, filled[api.Plan](), true},
		"why 192.0.2.1": {200, filled[api.Why](), true}, "new-identity tv": {200, filled[api.NewNym](), true},
		"accept x --as y": {200, peer, true}, "confirm x": {200, peer, true}, "rename x y": {200, peer, true},
		"mail drop x": {500, filled[api.Problem](), true}, "reload": {500, filled[api.Problem](), true},
	} {
		for _, flag := range []string{"", " --json"} {
			a := answering(t, x.code, x.answer)
			out := a.out.(*bytes.Buffer)
			execute(context.Background(), a, strings.Fields(words+flag))
			text := out.String()
			if flag == "" && !strings.Contains(text, "pwned") && !strings.Contains(words, "flush") {
				t.Errorf("tunic %s prints nothing of it: %q", words, text)
			}
			if strings.ContainsAny(text, "\x1b\x07\x7f\r\u009b\u202e\u0085") || strings.Contains(text, "\x9b2J") {
				t.Errorf("tunic %s%s orders the terminal: %q", words, flag, text)
			}
			if !x.lines && strings.Contains(text, "\nFORGED") {
				t.Errorf("tunic %s%s lets others begin a line:\n%s", words, flag, text)
			}
		}
	}
}

// JSON keeps what it says, in numbers.
func TestJSONIsWhole(t *testing.T) {
	a := answering(t, 200, []string{"a\u009bb\u202ec"})
	out := a.out.(*bytes.Buffer)
	execute(context.Background(), a, []string{"logs", "x", "--json"})
	var got []string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got) != 1 || got[0] != "a\u009bb\u202ec" {
		t.Errorf("%q, %v, of %q", got, err, out)
	}
}
