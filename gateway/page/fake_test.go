package page

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tunic/gateway/link"
)

// fakeBox answers as it is told.
type fakeBox struct {
	view    link.PageView
	err     error
	pass    link.PagePass
	login   link.PageLogin
	code    link.PageCode
	answers map[string]string // JSON by "token verb"
	refused map[string]link.PageAnswer
	asked   []string // "token verb body"
}

func (b *fakeBox) Look(_ context.Context, device netip.Addr) (link.PageView, error) {
	if device != netip.MustParseAddr("192.168.77.30") {
		return link.PageView{}, errors.New("another device")
	}
	return b.view, b.err
}

func (b *fakeBox) Device(addr netip.Addr) string { return "device " + addr.String() }

func (b *fakeBox) LogIn(_ context.Context, q link.PageLogin) (link.PagePass, error) {
	b.login = q
	return b.pass, b.err
}

func (b *fakeBox) Enrol(_ context.Context, q link.PageCode) (link.PagePass, error) {
	b.code = q
	return b.pass, b.err
}

func (b *fakeBox) Act(_ context.Context, q link.PageAct) (link.PageAnswer, error) {
	key := q.Token + " " + q.Verb
	b.asked = append(b.asked, key+" "+string(q.Body))
	if a, ok := b.refused[key]; ok {
		return a, nil
	}
	body, ok := b.answers[key]
	return link.PageAnswer{Gone: !ok, Body: json.RawMessage(body)}, nil
}

// changes are what was asked for that is no look.
func (b *fakeBox) changes() (list []string) {
	for _, a := range b.asked {
		if !strings.HasSuffix(a, " null") {
			list = append(list, a)
		}
	}
	return list
}

func newSite(b *fakeBox) *Site {
	s := New(b)
	s.Set(link.Page{Host: "box.home.arpa", CA: "-----BEGIN CERTIFICATE-----\nZGVy\n-----END CERTIFICATE-----\n", Mail: true,
		Friends: []link.PageFriend{{Name: "alice", Key: strings.Repeat("a", 56), Shares: []string{"photos"},
			Addrs: []netip.Addr{netip.MustParseAddr("10.192.1.0")}}, {Name: "carol", Key: strings.Repeat("c", 56)}}})
	return s
}

// request is what a browser of the house asks, over TLS if the URL says so.
func request(method, to, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, to, strings.NewReader(body))
	r.RemoteAddr = "192.168.77.30:40000"
	if r.TLS == nil && strings.HasPrefix(to, "https") {
		r.TLS = &tls.ConnectionState{}
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// get asks a handler for a page as a device of the house does.
func get(h http.Handler, to string, header ...string) *httptest.ResponseRecorder {
	return answer(h, request("GET", to, "", header...))
}

// post sends a form as a browser does, in the name of whoever has the token.
func post(s *Site, path, token string, form url.Values, header ...string) *httptest.ResponseRecorder {
	form = maps.Clone(form)
	form.Set("form", formWord(token))
	header = append([]string{"Origin", "https://box.home.arpa", "Sec-Fetch-Site", "same-origin",
		"Cookie", cookieName + "=" + token + "; " + enrolName + "=" + token}, header...)
	return answer(s.Secure(), request("POST", "https://box.home.arpa"+path, form.Encode(), header...))
}

// evil is a name as a stranger would choose it.
const evil = `<script>alert(1)</script>" onload="x' javascript:alert(1)`

// strange is a page without the scripts that are ours.
func strange(body string) string {
	return regexp.MustCompile(`<script src="/assets/[a-z]+-[0-9a-f]{12}\.js" defer></script>`).ReplaceAllString(body, "")
}

func quoted(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

// inhabited is a box with an admin, a member, and everything named by strangers.
func inhabited(t *testing.T) *fakeBox {
	t.Helper()
	e := quoted(evil)
	peer := `{"name":` + e + `,"state":"confirm","text":` + e + `,"words":` + e + `,"onions":[` + e + `],"reachable":true}`
	friend := `{"name":` + e + `,"state":"friend","text":` + e + `,"onions":[` + e + `,"javascript:alert(1)"],"reachable":true,
		"services":[{"name":` + e + `},{"name":"finger","port":79},{"name":"drop"},{"name":"talk"}]}`
	return &fakeBox{view: link.PageView{Open: true, Policy: "tor"}, answers: map[string]string{
		"admin me":     `{"name":"ann","role":"admin","address":"ann@x.peer.home.arpa","has_mail":true,"has_chat":true}`,
		"member me":    `{"name":"bob","role":"member","address":"bob@x.peer.home.arpa","has_mail":true,"has_chat":true}`,
		"member state": `{"open":true,"ready":true,"inside":3,"direct":[{"name":` + e + `}],"blocked":[]}`,
		"admin status": `{"state":"open","ready":true,"findings":[{"code":"target-unreachable","severity":"warning","text":` +
			e + `,"action":"do"}]}`,
		"admin live": `{"tor":{"running":true,"version":"0.4.9.1","bootstrap":35,"summary":` + e + `,"warning":` + e + `},
			"rates":[{"at":"2026-11-30T00:00:01Z","down":1250000,"up":34000}]}`,
		"admin live/status": `{"state":"open","ready":true,"findings":[{"code":"target-unreachable","severity":"warning","subject":` + e +
			`,"text":` + e + `,"action":"do ` + "`tunic x`" + `"}]}`,
		"admin peers":    `[` + peer + `,` + friend + `]`,
		"member friends": `[` + friend + `]`,
		"admin devices": `[{"name":` + e + `,"named_by":"lease","mac":"02:00:00:00:00:01","policy":"tor",
			"addresses":["192.168.77.30"],"seen":true}]`,
		"admin onions": `{"onions":[{"name":` + e + `,"address":"x.onion","private":true,"anonymous":true,"visitors":"yes",
			"clients":[{"name":` + e + `}],"ports":[{"port":80,"target":` + e + `,"error":` + e + `}]}],"profiles":["jellyfin"]}`,
		"admin mail": `{"has_mail":true,"letters":[{"id":` + e + `,"from":` + e + `,"arrived":"2026-11-30T00:00:00Z","size":1200,
			"recipients":[{"to":` + e + `,"state":"waiting","reason":` + e + `}]}],"servers":[{"name":"dovecot","error":` + e + `}],
			"services":[{"name":"imap","active":1,"accepted":7,"refused":2}]}`,
		"admin settings": `{"of":"x","policy":"tor","metrics":"off","on":["smtp"],"block":[` + e + `],"bypasses":[{"to":` + e +
			`,"devices":[` + e + `]}],"known_servers":["smtp","xmpp","irc","gopher"],"policies":["tor","direct"]}`,
		"admin leaks":  `{"rules":[` + e + `],"classes":[{"id":"tcp","tor":3,"leaks":[` + e + `]}]}`,
		"admin report": `{"text":` + e + `,"lines":[` + e + `]}`,
		"admin users":  `[{"name":"ann","role":"admin"},{"name":"bob","role":"member","address":` + e + `}]`,
	}, refused: map[string]link.PageAnswer{}}
}
