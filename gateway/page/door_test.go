package page

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/link"
)

// Everybody sees the pages that are for them, and no others.
func TestRooms(t *testing.T) {
	for name, room := range rooms {
		s := newSite(inhabited(t))
		for _, who := range []string{"", "member", "admin", "stolen"} {
			w := get(s.Secure(), "https://box.home.arpa/"+name, "Cookie", cookieName+"="+who)
			may := who == "admin" || who == "member" && !room.admins
			if (w.Code == 200) != may || strings.Contains(w.Body.String(), "<nav") != may {
				t.Errorf("%s, %q: %d, %s", name, who, w.Code, w.Body)
			}
		}
		// Without TLS nobody is logged in, whatever cookie comes.
		w := get(s.Plain(), "http://box.home.arpa/"+name, "Cookie", cookieName+"=admin")
		if w.Code != 200 || strings.Contains(w.Body.String(), "<nav") || !strings.Contains(w.Body.String(), "https://box.home.arpa/login") {
			t.Errorf("%s, plain: %d, %s", name, w.Code, w.Body)
		}
	}
}

// No name that a stranger can choose is markup, or a link that is a program.
func TestNamesOfStrangersAreText(t *testing.T) {
	s := newSite(inhabited(t))
	seen := 0
	for name := range rooms {
		for _, who := range []string{"member", "admin"} {
			body := strange(get(s.Secure(), "https://box.home.arpa/"+name, "Cookie", cookieName+"="+who).Body.String())
			if strings.Contains(body, "<script") || regexp.MustCompile(`<[^>]*" onload=`).MatchString(body) ||
				regexp.MustCompile(`href="javascript:`).MatchString(body) {
				t.Errorf("%s: %s", name, body)
			}
			seen += strings.Count(body, "&lt;script")
		}
	}
	if seen < 10 {
		t.Errorf("only %d names were seen", seen)
	}
	b := inhabited(t)
	b.refused["admin device"] = link.PageAnswer{Error: evil, Hint: evil}
	w := post(newSite(b), "/do/device", "admin", url.Values{"device": {evil}})
	if w.Code != 409 || strings.Contains(strange(w.Body.String()), "<script") || !strings.Contains(w.Body.String(), `role="alert"`) {
		t.Errorf("an error: %d, %s", w.Code, w.Body)
	}
	b = &fakeBox{pass: link.PagePass{Refused: link.PageWrong}}
	if w := post(newSite(b), "/login", "", url.Values{"name": {evil}}); w.Code != 403 || strings.Contains(w.Body.String(), "<script") {
		t.Errorf("a name at the log-in: %d, %s", w.Code, w.Body)
	}
}

// A member is let in at once, an admin without a second factor has to enrol first.
func TestLogIn(t *testing.T) {
	b := &fakeBox{pass: link.PagePass{Token: "tok", User: "bob"}}
	w := post(newSite(b), "/login", "", url.Values{"name": {"bob"}, "password": {"pass word"}, "code": {"123 456"}})
	if w.Code != 303 || b.login != (link.PageLogin{Device: "device 192.168.77.30", Name: "bob", Password: "pass word", Code: "123456"}) {
		t.Errorf("%d, %#v", w.Code, b.login)
	}
	mustBeSafe(t, w.Result().Cookies(), cookieName, "tok")

	b.pass = link.PagePass{Token: "half", User: "ann", Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}
	w = post(newSite(b), "/login", "", url.Values{"name": {"ann"}, "password": {"pass word"}})
	body := w.Body.String()
	if w.Code != 200 || !strings.Contains(body, b.pass.Secret) || !strings.Contains(body, "otpauth://totp/tunic:ann?") ||
		!strings.Contains(body, `src="data:image/png;base64,`) {
		t.Errorf("%d, %s", w.Code, body)
	}
	mustBeSafe(t, w.Result().Cookies(), enrolName, "half")
	b.pass.Refused = link.PageWrong
	w = post(newSite(b), "/enrol", "half", url.Values{"code": {"000000"}})
	if w.Code != 403 || !strings.Contains(w.Body.String(), b.pass.Secret) {
		t.Errorf("a wrong code: %d, %s", w.Code, w.Body)
	}
	b.pass = link.PagePass{Token: "whole", User: "ann"}
	w = post(newSite(b), "/enrol", "half", url.Values{"code": {"123 456"}})
	if w.Code != 303 || b.code != (link.PageCode{Device: "device 192.168.77.30", Token: "half", Code: "123456"}) {
		t.Errorf("%d, %#v", w.Code, b.code)
	}
	mustBeSafe(t, w.Result().Cookies(), cookieName, "whole")
	b.err = errors.New("the parent has gone away")
	if w := post(newSite(b), "/login", "", url.Values{"name": {"bob"}}); w.Code != 503 || len(w.Result().Cookies()) > 0 {
		t.Errorf("without a parent: %d", w.Code)
	}
}

// mustBeSafe wants a cookie that no script, no other page and no plain connection sees.
func mustBeSafe(t *testing.T, list []*http.Cookie, name, value string) {
	t.Helper()
	i := slices.IndexFunc(list, func(c *http.Cookie) bool { return c.Name == name && c.Value == value })
	if i < 0 {
		t.Fatalf("no cookie %s=%s: %v", name, value, list)
	}
	c := list[i]
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" ||
		!strings.HasPrefix(c.Name, "__Host-") {
		t.Errorf("%v", c)
	}
}

// There is no way in over plain HTTP.
func TestNoLogInInClear(t *testing.T) {
	b := &fakeBox{pass: link.PagePass{Token: "tok"}}
	for _, path := range []string{"/login", "/enrol", "/logout", "/do/device"} {
		w := answer(newSite(b).Plain(), request("POST", "http://box.home.arpa"+path, "name=ann&password=x"))
		if w.Code < 400 || len(w.Result().Cookies()) > 0 || b.login.Name != "" {
			t.Errorf("%s: %d, %v", path, w.Code, w.Result().Cookies())
		}
	}
}

// What another page sends is refused, by what the browser says of it and by the word
// that the form has to have.
func TestForgedForms(t *testing.T) {
	form := url.Values{"device": {"tv"}, "policy": {"direct"}}
	for name, send := range map[string]func(s *Site) int{
		"from another site": func(s *Site) int {
			return post(s, "/do/device", "admin", form, "Sec-Fetch-Site", "cross-site", "Origin", "https://attacker.example").Code
		},
		"from a friend's page": func(s *Site) int {
			return post(s, "/do/device", "admin", form, "Sec-Fetch-Site", "same-site", "Origin", "http://photos.alice.peer.home.arpa").Code
		},
		"from the plain page": func(s *Site) int {
			return post(s, "/do/device", "admin", form, "Sec-Fetch-Site", "", "Origin", "http://attacker.example").Code
		},
		"without the word": func(s *Site) int {
			return answer(s.Secure(), request("POST", "https://box.home.arpa/do/device", form.Encode(), "Cookie", cookieName+"=admin")).Code
		},
		"with the word of another log-in": func(s *Site) int {
			form := url.Values{"device": {"tv"}, "form": {formWord("member")}}
			return answer(s.Secure(), request("POST", "https://box.home.arpa/do/device", form.Encode(), "Cookie", cookieName+"=admin")).Code
		},
		"by a link": func(s *Site) int {
			return get(s.Secure(), "https://box.home.arpa/do/device?device=tv&form="+formWord("admin"), "Cookie", cookieName+"=admin").Code
		},
	} {
		b := inhabited(t)
		if code := send(newSite(b)); code < 400 || len(b.changes()) > 0 {
			t.Errorf("%s: %d, %q", name, code, b.changes())
		}
	}
	b := inhabited(t)
	b.answers["admin device"] = `{}`
	if w := post(newSite(b), "/do/device", "admin", form); w.Code != 303 || len(b.changes()) != 1 {
		t.Errorf("a form of ours: %d, %q", w.Code, b.changes())
	}
	for _, path := range []string{"/login", "/enrol", "/logout"} {
		b := inhabited(t)
		w := post(newSite(b), path, "admin", url.Values{"name": {"eve"}}, "Sec-Fetch-Site", "cross-site", "Origin",
			"https://attacker.example")
		if w.Code != 403 || b.login.Name != "" || len(b.asked) > 0 {
			t.Errorf("%s from another site: %d", path, w.Code)
		}
	}
}

// A policy for a while has a button that ends it, and another has none.
func TestPolicyForAWhileEnds(t *testing.T) {
	for until, want := range map[string]bool{`"until":"2026-11-30T20:00:00Z","then":"tor",`: true, "": false} {
		b := inhabited(t)
		b.answers["admin devices"] = `[{` + until + `"mac":"02:00:00:00:00:01","policy":"direct"}]`
		w := get(newSite(b).Secure(), "https://box.home.arpa/devices", "Cookie", cookieName+"=admin")
		if strings.Contains(w.Body.String(), say("en", "devices.end")) != want {
			t.Errorf("until %q: %s", until, w.Body)
		}
	}
	b := inhabited(t)
	post(newSite(b), "/do/device", "admin", url.Values{"device": {"02:00:00:00:00:01"}, "end": {"yes"}})
	if want := `admin device {"device":"02:00:00:00:00:01","end":true}`; !slices.Equal(b.changes(), []string{want}) {
		t.Errorf("%q", b.changes())
	}
}

// Each form asks for its verb, with what was typed.
func TestActions(t *testing.T) {
	for verb, c := range map[string]struct {
		form url.Values
		want string
	}{
		"device": {url.Values{"device": {"tv"}, "policy": {"direct"}, "for": {"2h"}},
			`{"device":"tv","policy":"direct","for":7200000000000}`},
		"publish": {url.Values{"name": {"photos"}, "target": {"80=192.168.1.20:80"}, "private": {"yes"}, "clients": {"alice"}},
			`{"name":"photos","ports":["80=192.168.1.20:80"],"private":true,"clients":["alice"]}`},
		"unpublish": {url.Values{"name": {"photos"}}, `{"name":"photos"}`},
		"grant":     {url.Values{"onion": {"photos"}, "client": {" alice "}}, `{"onion":"photos","client":"alice"}`},
		"revoke":    {url.Values{"onion": {"photos"}, "client": {"alice"}}, `{"onion":"photos","client":"alice"}`},
		"accept":    {url.Values{"word": {"tunic \n word"}, "as": {"al"}}, `{"word":"tunicword","as":"al"}`},
		"confirm":   {url.Values{"name": {"alice"}, "sure": {"yes"}}, `{"name":"alice"}`},
		"forget":    {url.Values{"name": {"alice"}, "sure": {"yes"}}, `{"name":"alice"}`},
		"user/add": {url.Values{"name": {"eve"}, "role": {"member"}, "password": {"pw"}},
			`{"name":"eve","role":"member","password":"pw"}`},
		"user/remove": {url.Values{"name": {"eve"}}, `{"name":"eve"}`},
		"why": {url.Values{"device": {"02::1"}, "to": {" 192.0.2.9 "}, "port": {"25"}, "protocol": {"tcp"}},
			`{"device":"02::1","to":"192.0.2.9","port":25,"protocol":"tcp"}`},
		"rotate": {url.Values{"name": {"photos"}, "keep": {"7d"}, "sure": {"yes"}},
			`{"name":"photos","keep":604800000000000,"new_identity":false}`},
		"phone/remove": {url.Values{"name": {"annphone"}, "sure": {"yes"}}, `{"name":"annphone"}`},

		"mail/flush": {url.Values{"id": {"x"}}, `{}`},
		"mail/drop":  {url.Values{"id": {"3f2a09"}, "sure": {"yes"}}, `{"id":"3f2a09"}`},
		"invite":     {url.Values{"name": {"carol"}}, `{"name":"carol"}`},

		"settings/confirm": {url.Values{}, `{}`},
		"settings/back":    {url.Values{}, `{}`},
	} {
		b := inhabited(t)
		b.answers["admin "+verb] = `{"name":"carol","word":"tunic-invitation"}`
		if verb == "why" {
			b.answers["admin why"] = `[{"from":"tv","to":"web","end":"refused","result":"it is refused",
				"rules":[{"rule":"-j REJECT","packets":3}]}]`
		}
		w := post(newSite(b), "/do/"+verb, "admin", c.form)
		if want := "admin " + verb + " " + c.want; !slices.Equal(b.changes(), []string{want}) {
			t.Errorf("%s: %d, %q, want %q", verb, w.Code, b.changes(), want)
		}
		if verb == "why" {
			if body := w.Body.String(); !strings.Contains(body, "Is refused.") || !strings.Contains(body, "3 packets so far") {
				t.Errorf("%s", body)
			}
			continue
		}
		if verb == "invite" {
			if !strings.Contains(w.Body.String(), "tunic-invitation") || !strings.Contains(w.Body.String(), `class="qr"`) {
				t.Errorf("%s", w.Body)
			}
			continue
		}
		to := w.Header().Get("Location")
		if w.Code != 303 || !strings.HasPrefix(to, "/"+actions[verb].room+"?done=") {
			t.Fatalf("%s: %d, %s", verb, w.Code, to)
		}
		w = get(newSite(b).Secure(), "https://box.home.arpa"+to, "Cookie", cookieName+"=admin")
		if !strings.Contains(w.Body.String(), `role="status"`) || !strings.Contains(w.Body.String(), say("en", "done."+verb)) {
			t.Errorf("%s: %s", to, w.Body)
		}
	}
	if len(actions) != 19 {
		t.Errorf("%d actions", len(actions))
	}
	for _, verb := range []string{"forget", "confirm", "rotate", "mail/drop", "phone/remove"} {
		b := inhabited(t)
		w := post(newSite(b), "/do/"+verb, "admin", url.Values{"name": {"alice"}, "id": {"3f"}, "keep": {"7d"}})
		if w.Code != 400 || len(b.changes()) > 0 || !strings.Contains(w.Body.String(), say("en", "confirm.missing")) {
			t.Errorf("%s without being sure: %d, %q", verb, w.Code, b.changes())
		}
	}
	b := inhabited(t)
	if w := post(newSite(b), "/do/import", "admin", url.Values{}); w.Code != 404 || len(b.changes()) > 0 {
		t.Errorf("a verb that is no form's: %d", w.Code)
	}
}

// A form of a log-in that is over leads to the log-in, and a log-out ends one.
func TestLogOut(t *testing.T) {
	b := inhabited(t)
	w := post(newSite(b), "/do/device", "stolen", url.Values{"device": {"tv"}})
	if w.Code != 403 || !strings.Contains(w.Body.String(), `action="/login"`) {
		t.Errorf("%d, %s", w.Code, w.Body)
	}
	b.answers["admin logout"] = ""
	w = post(newSite(b), "/logout", "admin", url.Values{})
	if w.Code != 303 || !slices.Contains(b.asked, "admin logout ") || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%d, %q, %v", w.Code, b.asked, w.Header())
	}
}

// A form that is too long is not read.
func TestLongForm(t *testing.T) {
	b := inhabited(t)
	w := post(newSite(b), "/do/device", "admin", url.Values{"device": {strings.Repeat("x", maxBody)}})
	if w.Code != 400 || len(b.changes()) > 0 {
		t.Errorf("%d, %d", w.Code, len(b.changes()))
	}
}

// A member who sends an admin's form is told so, and nothing is done.
func TestFormsOfMembers(t *testing.T) {
	for verb := range actions {
		b := inhabited(t)
		b.refused["member "+verb] = link.PageAnswer{Error: "this is for admins"}
		w := post(newSite(b), "/do/"+verb, "member", url.Values{"name": {"x"}, "sure": {"yes"}})
		if w.Code < 400 || strings.Contains(w.Body.String(), `role="status"`) {
			t.Errorf("%s: %d, %s", verb, w.Code, w.Body)
		}
	}
}

// A big house is shown in little time, and in little more than its names compressed.
func TestBigHouse(t *testing.T) {
	b := inhabited(t)
	for key, n := range map[string]int{"admin devices": 200, "admin peers": 50, "admin users": 50} {
		one := strings.Trim(b.answers[key], "[]")
		b.answers[key] = "[" + strings.Repeat(one+",", n-1) + one + "]"
	}
	s := newSite(b)
	for name := range rooms {
		begin := time.Now()
		body := get(s.Secure(), "https://box.home.arpa/"+name, "Cookie", cookieName+"=admin").Body.Bytes()
		took := time.Since(begin)
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write(body)
		z.Close()
		t.Logf("%s: %v, %d bytes, %d compressed", name, took.Round(100*time.Microsecond), len(body), packed.Len())
		if packed.Len() > 100_000 || took > 2*time.Second {
			t.Errorf("%s: %v, %d bytes compressed", name, took, packed.Len())
		}
	}
}

// Words are shown while they are to be compared, and no more when that is over.
func TestWordsOfFriends(t *testing.T) {
	for state, shown := range map[string]bool{"confirm": true, "waits": true, "friend": false} {
		b := inhabited(t)
		b.answers["admin peers"] = `[{"name":"alice","state":"` + state + `","text":"` + state + `","words":"one two three four"}]`
		body := get(newSite(b).Secure(), "https://box.home.arpa/friends", "Cookie", cookieName+"=admin").Body.String()
		if strings.Contains(body, "one two three four") != shown || strings.Contains(body, "<p>"+state+"</p>") {
			t.Errorf("%s: %s", state, body)
		}
	}
}
