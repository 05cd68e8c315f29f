//go:build lab

package e2e

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/link"
	"tunic/gateway/page"
)

// strange is a name as a stranger would choose it: if any of it is markup, something
// runs, or an element is there that is marked.
const strange = `"'><img class="strange" src=x onerror=alert(1)><script class="strange">alert(2)</script><a class="strange" href="x">`

// strangeHouse is a box in which everything has that name. It is for a page alone.
type strangeHouse struct {
	fails atomic.Bool // what is live answers an error
	gone  atomic.Bool // every log-in is over
	trial atomic.Bool // settings wait to be confirmed
}

// strangeAnswers are what the page can ask for, by their verbs.
var strangeAnswers = map[string]reflect.Type{"me": reflect.TypeFor[api.Me](), "state": reflect.TypeFor[api.Fridge](),
	"status": reflect.TypeFor[api.Status](), "live": reflect.TypeFor[api.Live](), "live/status": reflect.TypeFor[api.Status](),
	"devices": reflect.TypeFor[[]api.Device](), "why": reflect.TypeFor[[]api.Why](), "onions": reflect.TypeFor[api.Published](),
	"friends": reflect.TypeFor[[]api.Peer](), "peers": reflect.TypeFor[[]api.Peer](), "users": reflect.TypeFor[[]api.User](),
	"invite": reflect.TypeFor[api.Invitation](), "mail": reflect.TypeFor[api.Post](), "leaks": reflect.TypeFor[api.Leaks](),
	"report": reflect.TypeFor[api.Reported](), "settings": reflect.TypeFor[api.Settings](),
	"settings/plan": reflect.TypeFor[api.SettingsPlan](), "settings/apply": reflect.TypeFor[struct{}]()}

// named gives everything in a value the strange name, each list two elements.
func named(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(strange)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint16, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		named(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			named(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Now()))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				named(v.Field(i))
			}
		}
	}
}

// Look implements page.Box.
func (*strangeHouse) Look(context.Context, netip.Addr) (link.PageView, error) {
	var v link.PageView
	named(reflect.ValueOf(&v).Elem())
	return v, nil
}

// Device implements page.Box.
func (*strangeHouse) Device(netip.Addr) string { return strange }

// LogIn implements page.Box.
func (*strangeHouse) LogIn(_ context.Context, q link.PageLogin) (link.PagePass, error) {
	switch q.Password {
	case "enrol":
		return link.PagePass{Token: "half", User: strange, Secret: strange}, nil
	case "wrong":
		return link.PagePass{Refused: link.PageWrong}, nil
	}
	return link.PagePass{Token: "whole", User: strange}, nil
}

// Enrol implements page.Box.
func (*strangeHouse) Enrol(context.Context, link.PageCode) (link.PagePass, error) {
	return link.PagePass{Token: "half", User: strange, Secret: strange, Refused: link.PageWrong}, nil
}

// Act implements page.Box. Friends are in every state.
func (h *strangeHouse) Act(_ context.Context, q link.PageAct) (link.PageAnswer, error) {
	kind, ok := strangeAnswers[q.Verb]
	live := strings.HasPrefix(q.Verb, "live") || q.Verb == "leaks"
	switch {
	case h.gone.Load():
		return link.PageAnswer{Gone: true}, nil
	case !ok || live && h.fails.Load():
		return link.PageAnswer{Error: strange, Hint: strange}, nil
	case q.Verb == "settings/apply":
		h.trial.Store(true)
	}
	answer := reflect.New(kind)
	named(answer.Elem())
	switch a := answer.Interface().(type) {
	case *api.Me:
		a.Role = "admin"
	case *[]api.Peer:
		(*a)[0].State, (*a)[1].State = api.PeerFriend, api.PeerConfirm
	case *api.Settings:
		if !h.trial.Load() {
			a.Trial = nil
		}
	}
	body, err := json.Marshal(answer.Interface())
	return link.PageAnswer{Body: body}, err
}

// strangersNames: in a real browser no name does anything, wherever a page shows it; and
// this test would see it if one did.
func strangersNames(w *world) {
	house := new(strangeHouse)
	site := page.New(house)
	site.Set(link.Page{Host: "box.home.arpa", CA: strange, Mail: true, Chat: true, Friends: []link.PageFriend{
		{Name: strange, Key: strange, Shares: []string{strange}, Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.2")}}}})
	raw := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, strange)
	})
	for address, h := range map[string]http.Handler{
		"127.0.0.1:8443": site.Secure(), "127.0.0.2:8443": site.Shares(), "127.0.0.3:8443": raw,
	} {
		l, err := w.laptop.Listen(w.ctx, address)
		if err != nil {
			w.Fatal(err)
		}
		s := httptest.NewUnstartedServer(h)
		s.Listener.Close()
		s.Listener, s.Config.ErrorLog = l, slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
		s.StartTLS()
		defer s.Close()
	}
	b := w.chromium("laptop", w.browserHome("laptop"), "https://127.0.0.1:8443", true)
	mustBeText := func(what string, p seenPage) {
		w.Helper()
		var n int
		b.ask("count", map[string]any{"selector": ".strange"}, &n)
		if n > 0 || !strings.Contains(p.Text+p.Title, `onerror=alert(1)`) {
			w.Errorf("%s: %d elements; %d %q", what, n, p.Status, p.Text)
		}
	}
	mustBeText("front", b.open("", "/"))
	form := func(password string) map[string]any {
		return map[string]any{"url": "/login", "action": "/login", "fields": map[string]string{"name": "ann", "password": password}}
	}
	mustBeText("enrol", b.see("send", form("enrol")))
	b.see("send", form("right"))
	for _, r := range roomsOfHouse {
		if r.who == "ann" && r.url != "" {
			mustBeText(r.name, b.open("", r.url))
		}
	}
	mustBeText("mail", b.open("", "/mail"))
	mustBeText("an error", b.see("send", map[string]any{"url": "/friends", "action": "/do/accept",
		"fields": map[string]string{"word": "x"}}))
	mustBeText("why", b.see("send", map[string]any{"url": "/devices", "action": "/do/why"}))
	mustBeText("an invitation", b.see("send", map[string]any{"url": "/friends", "action": "/do/invite",
		"fields": map[string]string{"name": "x"}}))
	mustBeText("a plan", b.see("send", map[string]any{"url": "/settings", "action": "/do/settings/plan"}))
	mustBeText("settings on trial", b.see("send", map[string]any{"action": "/do/settings/apply"}))
	mustBeText("shares", b.open("", "https://127.0.0.2:8443/"))
	b.onlyTheBox("127.0.0.1", "127.0.0.2")
	liveFails(w, b, house)
	b.open("", "https://127.0.0.3:8443/")
	var heard struct{ Problems []string }
	b.ask("heard", nil, &heard)
	if !strings.Contains(strings.Join(heard.Problems, "\n"), "a dialog (alert) says 2") {
		w.Errorf("the test does not see a script that runs: %q", heard.Problems)
	}
}

// liveFails: an overview whose live pieces fail asks for them again, and is not loaded
// again itself, unless its log-in is over: then it leads to the log-in.
func liveFails(w *world, b *chromium, house *strangeHouse) {
	w.Helper()
	house.fails.Store(true)
	seen := make(map[string]int)
	asked := func(path string, atLeast int) func() bool {
		return func() bool {
			var heard struct{ Requests []struct{ URL string } }
			b.ask("heard", nil, &heard)
			for _, r := range heard.Requests {
				seen[strings.TrimPrefix(r.URL, "https://127.0.0.1:8443")]++
			}
			return seen[path] >= atLeast
		}
	}
	b.open("", "/overview")
	w.eventually("what is live is asked for again", 20*time.Second, asked("/live/rates", 3))
	if seen["/overview"] != 1 || seen["/live/tor"] == 0 {
		w.Errorf("what is live fails, and the page has asked for %v", seen)
	}
	house.gone.Store(true)
	w.eventually("the page is loaded again", 20*time.Second, asked("/overview", 2))
	if p := b.see("look", nil); seen["/overview"] != 2 || !strings.Contains(p.Text, "not logged in any more") {
		w.Errorf("the log-in is over: %v, %+v", seen, p)
	}
}

// attacks: what others on the household's network try against an admin who is logged in,
// a member against the admins, and somebody who guesses.
func (h *houses) attacks(w *world) {
	w.run("a name that leads here", h.rebound)
	w.run("a form of somebody else's", h.forged)
	w.run("cookies", h.cookies)
	w.run("a member tries an admin's verbs", memberTries)
	w.run("guessing", guessing)
}

// rebound: a page of an attacker's, whose name the attacker's DNS leads to the box.
func (h *houses) rebound(w *world) {
	p := h.ann.in(w).open("ann", "http://attacker.example/")
	if p.Status != http.StatusMisdirectedRequest || strings.Contains(p.Text, "Tor") {
		w.Errorf("%+v", p)
	}
}

// forged: ann visits a page that has a form for the box, and clicks.
func (h *houses) forged(w *world) {
	const at = nas4 + ":8081"
	l, err := w.nas.Listen(w.ctx, at)
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<html><body><form method="post" action="`+securePage+`/do/device">
			<input name="device" value="laptop"><input name="policy" value="direct"><button>Win</button></form></body></html>`)
	}))
	before, err := os.ReadFile(w.device("laptop"))
	if err != nil {
		w.Fatal(err)
	}
	p := h.ann.in(w).see("send", map[string]any{"who": "ann", "url": "http://" + at + "/", "action": securePage + "/do/device"})
	if p.Status != http.StatusForbidden || !strings.Contains(p.Text, "sent by another page") {
		w.Errorf("%+v", p)
	}
	if after, err := os.ReadFile(w.device("laptop")); err != nil || string(after) != string(before) {
		w.Errorf("the device has changed: %s, %v", after, err)
	}
	if p := h.ann.in(w).open("ann", "/overview"); !strings.Contains(p.Text, "Log out ann") {
		w.Errorf("ann is logged out by it: %+v", p)
	}
}

// cookies: the browser keeps a log-in for this host, for TLS, for no other page and for
// no script.
func (h *houses) cookies(w *world) {
	var got struct {
		List []struct {
			Name, Domain, Path, SameSite string
			HTTPOnly, Secure             bool
		}
		Read string
	}
	h.ann.in(w).ask("cookies", map[string]any{"who": "ann"}, &got)
	if len(got.List) == 0 || got.Read != "" {
		w.Errorf("%+v", got)
	}
	for _, c := range got.List {
		if c.Name != "__Host-session" || c.Domain != "box.home.arpa" || c.Path != "/" || c.SameSite != "Strict" ||
			!c.HTTPOnly || !c.Secure {
			w.Errorf("%+v", c)
		}
	}
}

// memberTries sends an admin's forms as a member, with the member's own word in them.
func memberTries(w *world) {
	b := w.browser(w.laptop)
	b.page("/login", url.Values{"name": {"bob"}, "password": {bobsPassword}})
	if body := b.page("/friends", nil); !strings.Contains(body, "Log out bob") {
		w.Fatalf("bob is not logged in: %s", body)
	}
	before := w.look()
	for verb, form := range map[string]url.Values{"device": {"device": {"laptop"}, "policy": {"direct"}},
		"publish": {"name": {"win"}, "target": {"80=192.168.77.20:8080"}}, "unpublish": {"name": {"photos"}},
		"invite": {"name": {"eve"}}, "forget": {"name": {"bea"}, "sure": {"yes"}}, "user/add": {"name": {"eve"}, "role": {"admin"},
			"password": {bobsPassword}}, "user/remove": {"name": {"ann"}}, "import": {}, "reload": {}} {
		if body := b.page("/do/"+verb, form); strings.Contains(body, `role="status"`) {
			w.Errorf("%s: %s", verb, body)
		}
	}
	for _, room := range []string{"/devices", "/onions", "/people"} {
		if body := b.page(room, nil); !strings.Contains(body, "for admins") {
			w.Errorf("%s: %s", room, body)
		}
	}
	for _, change := range w.leftBehind(before) {
		w.Errorf("bob has changed: %s", change)
	}
}

// guessing: ten wrong attempts from a device, with the code or the password wrong, and
// the right ones get nobody in from there; another device is let in.
func guessing(w *world) {
	phone := w.browser(w.phone)
	for i := range 10 {
		form := url.Values{"name": {"ann"}, "password": {bobsPassword}, "code": {"000000"}}
		if i%2 == 0 {
			form = url.Values{"name": {"bob"}, "password": {"guess"}}
		}
		if body := phone.page("/login", form); !strings.Contains(body, "is wrong.") {
			w.Fatalf("attempt %d: %s", i, body)
		}
	}
	right := url.Values{"name": {"bob"}, "password": {bobsPassword}}
	if body := phone.page("/login", right); !strings.Contains(body, "Too many attempts") {
		w.Errorf("after ten: %s", body)
	}
	if body := w.browser(w.laptop).page("/login", right); !strings.Contains(body, "Log out bob") {
		w.Errorf("another device: %s", body)
	}
}
