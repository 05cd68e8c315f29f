package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/feature"
	"tunic/gateway/setup"
)

// bareBox is a box that a page sets up, with the questions that there are.
type bareBox struct {
	box     setup.Box
	agreed  []setup.Answers
	decided []bool
	entered []netip.Addr
	err     error
}

func (b *bareBox) Next(ctx context.Context, given []string) (setup.Question, setup.Answers, error) {
	return setup.Next(ctx, b.box, given, func(name string) error {
		if name == "root" {
			return errors.New("no name")
		}
		return nil
	})
}
func (b *bareBox) Link(name string) (feature.Link, bool) { return b.box.Link(name) }
func (b *bareBox) Plan(context.Context, setup.Answers) (SetupPlan, error) {
	return SetupPlan{Packages: []string{"ngircd"}, Notes: []string{"no <DHCP>"}, Steps: []string{"a step"},
		Detail: []string{"+ a rule"}}, b.err
}
func (b *bareBox) Agreed(a setup.Answers) { b.agreed = append(b.agreed, a) }
func (b *bareBox) Entered(a netip.Addr)   { b.entered = append(b.entered, a) }
func (b *bareBox) Decided(keep bool)      { b.decided = append(b.decided, keep) }

const setupDoor = "192.168.77.1:8099"

// browserOf is a browser of the household at the page of a setup.
type browserOf struct {
	t      *testing.T
	h      http.Handler
	site   *Setup
	box    *bareBox
	cookie string
	page   string // that it shows
}

func newSetupBrowser(t *testing.T) *browserOf {
	box := &bareBox{box: setup.Box{SSH: []uint16{22}, Links: []feature.Link{
		{Name: "wan0", Up: true, Carrier: true, Default: true, Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.100/24")}},
		{Name: "lan0", Up: true, Carrier: true, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24")}, Hosts: 2},
		{Name: "docker0", Up: true, Bridge: true, Addresses: []netip.Prefix{netip.MustParsePrefix("172.17.0.1/16")}}}}}
	s := NewSetup(box, "K7QX-M2PA", []netip.AddrPort{netip.MustParseAddrPort(setupDoor)})
	b := &browserOf{t: t, h: s.Handler(), site: s, box: box}
	b.get()
	return b
}

// do sends a request, as headers change it.
func (b *browserOf) do(r *http.Request, headers ...string) *httptest.ResponseRecorder {
	r.Host = setupDoor
	if b.cookie != "" {
		r.Header.Set("Cookie", setupCookie+"="+b.cookie)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == setupCookie {
			b.cookie = c.Value
		}
	}
	return w
}

func (b *browserOf) get() string {
	w := b.do(httptest.NewRequest("GET", "/", nil))
	b.page = w.Body.String()
	return b.page
}

var formField = regexp.MustCompile(`name="form" value="([^"]+)"`)

// post sends a form of the page that is shown, and follows.
func (b *browserOf) post(path string, fields url.Values, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	if m := formField.FindStringSubmatch(b.page); m != nil && !fields.Has("form") {
		fields.Set("form", m[1])
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := b.do(r, headers...)
	b.page = w.Body.String()
	if w.Code == http.StatusSeeOther {
		b.get()
	}
	return w
}

func (b *browserOf) answer(topic string, words ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.post("/answer", url.Values{"topic": {topic}, "answer": words})
}

func (b *browserOf) enter() {
	b.t.Helper()
	if w := b.post("/code", url.Values{"code": {" k7qx m2pa"}}); w.Code != http.StatusSeeOther || b.cookie == "" {
		b.t.Fatalf("the code: %d, %s", w.Code, b.page)
	}
}

func (b *browserOf) shows(words ...string) {
	b.t.Helper()
	for _, word := range words {
		if !strings.Contains(b.page, word) {
			b.t.Errorf("there is no %q in %s", word, b.page)
		}
	}
}

// From the code to the confirmation, with what can go wrong on the way.
func TestSetupPage(t *testing.T) {
	b := newSetupBrowser(t)
	b.shows("Code", "not encrypted")
	if strings.Contains(b.page, "lan0") || strings.Contains(b.page, "<script") {
		t.Errorf("before the code: %s", b.page)
	}
	b.enter()
	if len(b.box.entered) != 1 || !b.box.entered[0].IsValid() {
		t.Errorf("the terminal does not say who has the page: %v", b.box.entered)
	}
	b.shows(`value="lan0" checked`, "192.168.77.1/24, devices seen: 2", "Question 1:")
	for _, wrong := range [][]string{nil, {"wan0"}, {"beside"}, {"lan0 docker0"}} {
		if w := b.answer("household", wrong...); w.Code != http.StatusConflict || !strings.Contains(b.page, "Choose at least one") {
			t.Errorf("%q: %d, %s", wrong, w.Code, b.page)
		}
	}
	b.answer("household", "lan0")
	b.shows(`value="docker0" checked`, "Question 2:")
	if b.answer("household", "docker0"); !strings.Contains(b.page, "no longer the present one") {
		t.Errorf("an answer to the first question again: %s", b.page)
	}
	b.answer("others")
	b.shows(`value="no" checked`)
	b.answer("inbound", "no")
	b.answer("servers", "both")
	if w := b.answer("user", "root"); w.Code != http.StatusConflict {
		t.Errorf("a wrong name: %d", w.Code)
	}
	b.shows("cannot be a user", "The terminal shows the password")
	if strings.Contains(b.page, `type="password"`) {
		t.Errorf("a password is asked for: %s", b.page)
	}
	b.answer("user", "ann")
	b.shows("Devices behind lan0", "No other network passes", "nothing new reaches the box", "ann gets an account", "ngircd",
		"no &lt;DHCP&gt;", "a step", "&#43; a rule")
	if len(b.box.agreed) != 0 {
		t.Error("it was agreed before anybody did")
	}
	b.post("/apply", url.Values{})
	b.shows("being set up")
	again := func(path, decision string) {
		t.Helper()
		w := b.post(path, url.Values{"form": {formWord(b.cookie)}, "decision": {decision}})
		if w.Code != http.StatusConflict {
			t.Errorf("%s at a wrong time: %d", path, w.Code)
		}
	}
	again("/apply", "")
	again("/again", "")
	want := setup.Answers{Household: []string{"lan0"}, Inbound: []string{}, Mail: true, Chat: true, User: "ann", Made: true}
	if len(b.box.agreed) != 1 || fmt.Sprintf("%+v", b.box.agreed[0]) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v", b.box.agreed)
	}
	if again("/decide", "keep"); len(b.box.decided) != 0 {
		t.Error("it was confirmed before it was asked")
	}
	b.site.Say(SetupStatus{Phase: SetupWaits, Until: time.Now().Add(time.Minute)})
	if w := b.do(httptest.NewRequest("GET", "/", nil)); w.Header().Get("Refresh") == "" {
		t.Error("the page does not ask again by itself")
	}
	b.get()
	b.shows("Confirm now")
	again("/decide", "perhaps")
	b.post("/decide", url.Values{"decision": {"keep"}})
	again("/decide", "back")
	if !slices.Equal(b.box.decided, []bool{true}) {
		t.Errorf("%v", b.box.decided)
	}
	b.site.Say(SetupStatus{Phase: SetupKept})
	b.get()
	b.shows(`href="http://192.168.77.1/"`)
	select {
	case <-b.site.Seen():
	default:
		t.Error("the end was seen, and nobody is told")
	}
}

// Back to the first question: no plan that was shown before can be applied.
func TestSetupAgain(t *testing.T) {
	b := newSetupBrowser(t)
	b.enter()
	for _, a := range [][]string{{"household", "lan0"}, {"others"}, {"inbound", "no"}, {"servers", "none"}} {
		b.answer(a[0], a[1:]...)
	}
	b.shows("This will happen")
	form := formField.FindStringSubmatch(b.page)[1]
	b.post("/again", url.Values{})
	b.shows("Question 1:")
	if w := b.post("/apply", url.Values{"form": {form}}); w.Code != http.StatusConflict || len(b.box.agreed) != 0 {
		t.Errorf("%d, %v", w.Code, b.box.agreed)
	}
	b.box.err = errors.New("no packet filter")
	for _, a := range [][]string{{"household", "lan0"}, {"others"}, {"inbound", "no"}, {"servers", "none"}} {
		b.answer(a[0], a[1:]...)
	}
	b.shows("no packet filter", "Back to the first question")
	if b.post("/apply", url.Values{}); len(b.box.agreed) != 0 {
		t.Error("what has no plan was applied")
	}
}

// Ten wrong codes end it: after them the right one is wrong, too.
func TestTenWrongCodes(t *testing.T) {
	b := newSetupBrowser(t)
	for n := range MaxSetupCodes {
		for range 3 { // forms without a code of this page are no attempts
			b.post("/code", url.Values{"code": {"K7QXM2PB"}, "form": {"x"}})
			b.get()
		}
		select {
		case <-b.site.Shut():
			t.Fatalf("it ended after %d", n)
		default:
		}
		if w := b.post("/code", url.Values{"code": {fmt.Sprintf("K7QXM2P%d", n)}}); w.Code != http.StatusForbidden || b.cookie != "" {
			t.Errorf("%d: %d", n, w.Code)
		}
	}
	select {
	case <-b.site.Shut():
	default:
		t.Error("it goes on after ten")
	}
	b.shows("Too many wrong codes")
	for _, code := range []string{"K7QX-M2PA", ""} {
		b.post("/code", url.Values{"code": {code}, "form": {b.site.word}})
		if b.cookie != "" || b.site.InUse() {
			t.Errorf("%q is taken after ten wrong ones", code)
		}
	}
}

// The code is good for one browser, and nothing is shown or done for another.
func TestCodeIsForOnce(t *testing.T) {
	b := newSetupBrowser(t)
	b.enter()
	first := b.cookie
	for _, cookie := range []string{"", "x", first[:5], first + "x"} {
		b.cookie = cookie
		if b.get(); strings.Contains(b.page, "lan0") || !strings.Contains(b.page, "was used already") {
			t.Errorf("%q: %s", cookie, b.page)
		}
		for _, code := range []string{"K7QX-M2PA", ""} {
			w := b.post("/code", url.Values{"code": {code}, "form": {b.site.word}})
			if w.Code != http.StatusForbidden || b.cookie != cookie {
				t.Errorf("%q, %q: %d", cookie, code, w.Code)
			}
		}
		for _, path := range []string{"/answer", "/again", "/apply", "/decide"} {
			for _, form := range []string{"", b.site.word, formWord(cookie), formWord(""), formWord(first)} {
				w := b.post(path, url.Values{"topic": {"household"}, "answer": {"lan0"}, "form": {form}})
				if w.Code != http.StatusForbidden {
					t.Errorf("%q, %s: %d", cookie, path, w.Code)
				}
			}
		}
	}
}

func TestSetupCookie(t *testing.T) {
	b := newSetupBrowser(t)
	w := b.post("/code", url.Values{"code": {"K7QX-M2PA"}})
	c := w.Header().Get("Set-Cookie")
	if !strings.Contains(c, "; HttpOnly") || !strings.Contains(c, "; SameSite=Strict") || strings.Contains(c, "Domain") {
		t.Error(c)
	}
	if p := w.Header().Get("Content-Security-Policy"); p != policy {
		t.Error(p)
	}
	seen := make(map[string]bool)
	for range 100 {
		code := NewSetupCode()
		if !regexp.MustCompile(`^[A-Z2-7]{4}-[A-Z2-7]{4}$`).MatchString(code) || seen[code] {
			t.Error(code)
		}
		seen[code] = true
	}
}

// No name leads to the page, and no page of another's can send its forms.
func TestSetupIsAskedForByItsAddress(t *testing.T) {
	b := newSetupBrowser(t)
	b.enter()
	for host, want := range map[string]int{setupDoor: 200, "192.168.77.1": 421, "192.168.77.1:80": 421, "192.168.77.2:8099": 421,
		"box.home.arpa:8099": 421, "attacker.example:8099": 421, "192.168.77.1:8099.attacker.example": 421, "": 421,
		"localhost:8099": 421} {
		w := b.do(httptest.NewRequest("GET", "/", nil), "Host", host)
		if w.Code != want || strings.Contains(w.Body.String(), "lan0") != (want == 200) {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
	for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "http://attacker.example"},
		{"Origin", "null"}, {"Origin", "http://192.168.77.1"}} {
		b.get()
		if w := b.post("/answer", url.Values{"topic": {"household"}, "answer": {"lan0"}}, h...); w.Code != http.StatusForbidden {
			t.Errorf("%q: %d", h, w.Code)
		}
	}
	b.get()
	b.shows("Question 1:")
	if w := b.post("/answer", url.Values{"topic": {"household"}, "answer": {"lan0"}, "form": {"x"}}); w.Code != http.StatusForbidden {
		t.Errorf("without the word of the form: %d", w.Code)
	}
	b.get()
	if w := b.post("/answer", url.Values{"topic": {"household"}, "answer": {"lan0"}}, "Origin", "http://"+setupDoor); w.Code != 303 {
		t.Errorf("its own: %d", w.Code)
	}
}

func TestSetupSpeaksGerman(t *testing.T) {
	b := newSetupBrowser(t)
	b.enter()
	w := b.do(httptest.NewRequest("GET", "/", nil), "Accept-Language", "de")
	if !strings.Contains(w.Body.String(), "Welche Anschlüsse führen") {
		t.Error(w.Body)
	}
	for _, topic := range []setup.Topic{setup.AskHousehold, setup.AskBeside, setup.AskOthers, setup.AskInbound, setup.AskServers,
		setup.AskUser} {
		for _, key := range []string{"ask.", "help.", "bad."} {
			if key := "setup." + key + string(topic); say("en", key) == key {
				t.Errorf("there is no text %s", key)
			}
		}
	}
	for _, word := range []string{"yes", "no", "mail", "chat", "both", "none"} {
		if key := "setup.word." + word; say("en", key) == key {
			t.Errorf("there is no text %s", key)
		}
	}
}
