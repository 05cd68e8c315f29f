package page

import (
	"errors"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"tunic/gateway/link"
)

// Whoever is not logged in sees how their own device goes.
func TestFront(t *testing.T) {
	evening := time.Now().Add(time.Minute)
	for want, v := range map[string]link.PageView{
		"This device goes through Tor.": {Open: true, Known: true, Name: "laptop", Policy: "tor"},
		"This device goes outside Tor.</p>\n<p>Until " + (view{}).Clock(&evening) + ". After that it goes through Tor.": {
			Open: true, Known: true, Policy: "direct", Until: &evening, Then: "tor"},
		"This device is blocked":    {Open: true, Known: true, Policy: "block"},
		"Nothing leaves the house":  {Known: true, Policy: "tor"},
		"does not know this device": {Open: true, Policy: "tor"},
		"Only names and .onion":     {Open: true, Known: true, Policy: "onion"},
	} {
		w := get(newSite(&fakeBox{view: v}).Plain(), "http://box.home.arpa/")
		if w.Code != 200 || !strings.Contains(strings.ReplaceAll(w.Body.String(), "\n\n", "\n"), want) {
			t.Errorf("%+v: %d, %s", v, w.Code, w.Body)
		}
	}
	if w := get(newSite(&fakeBox{err: errors.New("no parent")}).Plain(), "http://box.home.arpa/"); w.Code != 503 {
		t.Errorf("without a parent: %d", w.Code)
	}
}

// A name that a device has chosen is text.
func TestNamesAreText(t *testing.T) {
	const evil = `<script>alert(1)</script>" onload="x`
	w := get(newSite(&fakeBox{view: link.PageView{Open: true, Known: true, Name: evil, Policy: "tor"}}).Plain(), "http://box.home.arpa/")
	body := w.Body.String()
	if strings.Contains(body, "<script") || strings.Contains(body, `" onload`) || !strings.Contains(body, "&lt;script") {
		t.Errorf("%s", body)
	}
}

// What is not asked for by a name of the box is not answered.
func TestRebinding(t *testing.T) {
	s := newSite(&fakeBox{view: link.PageView{Open: true, Policy: "tor"}})
	for host, want := range map[string]int{"box.home.arpa": 200, "BOX.home.arpa.:80": 200, "192.168.77.1": 200, "[fd77::1]:80": 200,
		"attacker.example": 421, "box.home.arpa.attacker.example": 421, "xbox.home.arpa": 421, "setup.box.home.arpa": 421,
		"[": 421, "localhost": 421} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.RemoteAddr = host, "192.168.77.30:1"
		w := httptest.NewRecorder()
		s.Plain().ServeHTTP(w, r)
		if w.Code != want || strings.Contains(w.Body.String(), "Tor") != (want == 200) {
			t.Errorf("%q: %d, %s", host, w.Code, w.Body)
		}
	}
}

// Every answer says what a browser may do with it.
func TestHeaders(t *testing.T) {
	s := newSite(&fakeBox{view: link.PageView{Open: true, Policy: "tor"}})
	for _, path := range []string{"/", "/certificate", "/ca.crt", "/style.css", "/nothing", "/../../etc/passwd", "/language/xx"} {
		w := get(s.Plain(), "http://box.home.arpa"+path)
		for name, want := range map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if got := w.Header().Get("Cross-Origin-Opener-Policy"); got != "" {
			t.Errorf("%s: without TLS browsers complain of the policy %q", path, got)
		}
		if got := get(s.Secure(), "https://box.home.arpa"+path).Header().Get("Cross-Origin-Opener-Policy"); got != "same-origin" {
			t.Errorf("%s: over TLS the policy is %q", path, got)
		}
	}
}

// Nothing but the pages is there, whatever the path.
func TestPaths(t *testing.T) {
	s := newSite(&fakeBox{})
	for _, path := range []string{"/templates/frame.html", "/texts/en.json", "/..%2f..%2fetc/passwd", "/style.css/../texts/en.json",
		"/language/..%2f", "/language/", "//etc/passwd", "/ca.crt/x"} {
		if w := get(s.Plain(), "http://box.home.arpa"+path); w.Code == 200 {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
	}
}

// A friend's bare name shows what is shared, and no other name does.
func TestShares(t *testing.T) {
	s := newSite(&fakeBox{}).Shares()
	for host, want := range map[string]string{
		"alice.peer.home.arpa": `<a href="http://photos.alice.peer.home.arpa/">`, "10.192.1.0": "photos.alice",
		strings.Repeat("a", 56) + ".onion": "photos.alice", "carol.peer.home.arpa": "carol does not share anything",
	} {
		if w := get(s, "http://"+host+"/"); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d, %s", host, w.Code, w.Body)
		}
	}
	for _, host := range []string{"attacker.example", "photos.alice.peer.home.arpa", "box.home.arpa", "10.192.1.9", "bob.peer.home.arpa"} {
		if w := get(s, "http://"+host+"/"); w.Code != 421 || strings.Contains(w.Body.String(), "alice") {
			t.Errorf("%s: %d, %s", host, w.Code, w.Body)
		}
	}
}

// The certificate can be had, with the fingerprint to compare.
func TestCertificate(t *testing.T) {
	s := newSite(&fakeBox{})
	if w := get(s.Plain(), "http://box.home.arpa/ca.crt"); w.Header().Get("Content-Type") != "application/x-x509-ca-cert" ||
		!strings.Contains(w.Body.String(), "BEGIN CERTIFICATE") {
		t.Errorf("%v, %s", w.Header(), w.Body)
	}
	if w := get(s.Plain(), "http://box.home.arpa/certificate"); !strings.Contains(w.Body.String(), "50:50:D8:0D:") ||
		!strings.Contains(w.Body.String(), "http://setup.box.home.arpa/") {
		t.Errorf("%s", w.Body)
	}
	s.Set(link.Page{Host: "box.home.arpa"})
	if w := get(s.Plain(), "http://box.home.arpa/ca.crt"); w.Code != 404 {
		t.Errorf("without one: %d", w.Code)
	}
}

// Both languages have a text for each key, with the same words to fill in, and
// templates and code use keys that there are.
func TestTexts(t *testing.T) {
	verbs := regexp.MustCompile(`%[a-z]`)
	for key, text := range texts()["en"] {
		for _, other := range languages[1:] {
			translated, ok := texts()[other][key]
			if !ok || (text == "") != (translated == "") ||
				strings.Join(verbs.FindAllString(text, -1), "") != strings.Join(verbs.FindAllString(translated, -1), "") {
				t.Errorf("%s, %s: %q is %q", key, other, text, translated)
			}
		}
	}
	for _, other := range languages[1:] {
		for key := range texts()[other] {
			if _, ok := texts()["en"][key]; !ok {
				t.Errorf("%s has %s, which English has not", other, key)
			}
		}
	}
	used := regexp.MustCompile(`T "([a-z.]+)"|say\([^"\n]*"([a-z.]+)"`)
	n := 0
	for _, pattern := range []string{"templates", "."} {
		files, err := os.ReadDir(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".html") && !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			text, err := os.ReadFile(pattern + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range used.FindAllStringSubmatch(string(text), -1) {
				n++
				if _, ok := texts()["en"][m[1]+m[2]]; !ok {
					t.Errorf("%s uses %s, which there is not", f.Name(), m[0])
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d keys were found", n)
	}
}

// A browser gets its own language, or the one that was chosen.
func TestLanguages(t *testing.T) {
	s := newSite(&fakeBox{view: link.PageView{Open: true, Policy: "tor"}}).Plain()
	for accept, want := range map[string]string{"de-AT,de;q=0.9,en;q=0.8": "de", "en-GB": "en", "fr": "en", "": "en", "fr, de": "de"} {
		if w := get(s, "http://box.home.arpa/", "Accept-Language", accept); !strings.Contains(w.Body.String(), `<html lang="`+want+`">`) {
			t.Errorf("%q: %s", accept, w.Body)
		}
	}
	w := get(s, "http://box.home.arpa/language/de")
	cookie := w.Header().Get("Set-Cookie")
	if w.Code != 303 || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") {
		t.Errorf("%d, %s", w.Code, cookie)
	}
	if w := get(s, "http://box.home.arpa/", "Cookie", "language=de"); !strings.Contains(w.Body.String(), "Dieses Gerät geht durch Tor.") {
		t.Errorf("%s", w.Body)
	}
}
