package page

import (
	"encoding/json"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/link"
)

// What is live comes in pieces of the overview, for admins over TLS; who is nobody, or a
// member, gets what has the page loaded again.
func TestLivePieces(t *testing.T) {
	for path, want := range map[string]string{"/live/tor": "asks it for the list of all", "/live/state": "Protected:",
		"/live/rates": "Now: 1.2 MB/s from Tor, 34 kB/s to Tor."} {
		b := inhabited(t)
		no := link.PageAnswer{Bar: true, Error: "no"}
		b.refused["member live"], b.refused["member live/status"] = no, no
		s := newSite(b)
		w := get(s.Secure(), "https://box.home.arpa"+path, "Cookie", cookieName+"=admin")
		body := w.Body.String()
		if w.Code != 200 || !strings.Contains(body, want) || strings.Contains(body, "<html") || strings.Contains(body, "<script") {
			t.Errorf("%s: %d, %s", path, w.Code, body)
		}
		for _, who := range []string{"member", "stolen", ""} {
			if w := get(s.Secure(), "https://box.home.arpa"+path, "Cookie", cookieName+"="+who); w.Code != 403 {
				t.Errorf("%s of %q: %d, %s", path, who, w.Code, w.Body)
			}
		}
		if w := get(s.Plain(), "http://box.home.arpa"+path, "Cookie", cookieName+"=admin"); w.Code != 404 {
			t.Errorf("%s without TLS: %d", path, w.Code)
		}
		for _, asked := range b.asked {
			if strings.HasSuffix(asked, " me null") {
				t.Errorf("%s: a piece is asked for as if somebody used the page: %q", path, b.asked)
			}
		}
	}
}

// What is live and fails does not have a page loaded again whose log-in is good.
func TestLiveFails(t *testing.T) {
	for _, path := range []string{"/live/tor", "/live/state", "/live/rates", "/live/leaks"} {
		b := inhabited(t)
		for _, verb := range []string{"live", "live/status", "leaks"} {
			b.refused["admin "+verb] = link.PageAnswer{Error: "the kernel does not answer"}
		}
		if w := get(newSite(b).Secure(), "https://box.home.arpa"+path, "Cookie", cookieName+"=admin"); w.Code != 503 {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
	}
}

// The overview has each live piece in it when it is loaded, and asks for them again.
func TestLiveOverview(t *testing.T) {
	s := newSite(inhabited(t))
	body := get(s.Secure(), "https://box.home.arpa/overview", "Cookie", cookieName+"=admin").Body.String()
	for _, want := range []string{`hx-get="/live/state"`, `hx-get="/live/tor"`, `id="rates" hidden`, "Protected:", "Tor does not run."} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s: %s", want, body)
		}
	}
	body = get(s.Secure(), "https://box.home.arpa/overview", "Cookie", cookieName+"=member").Body.String()
	if strings.Contains(body, "hx-get") || strings.Contains(body, `id="rates"`) {
		t.Errorf("a member's: %s", body)
	}
	body = get(s.Secure(), "https://box.home.arpa/live/state", "Cookie", cookieName+"=admin; language=de").Body.String()
	for _, want := range []string{"Das Ziel eines Onions antwortet nicht", `href="/onions"`, "Starte den Dienst auf seinem Rechner"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s: %s", want, body)
		}
	}
}

// How far tor is has words at each percentage, in both languages.
func TestPhases(t *testing.T) {
	seen := make(map[string]bool)
	for percent := range 101 {
		key := (view{}).Phase(api.Tor{Running: true, Bootstrap: percent})
		seen[key] = true
		for _, language := range languages {
			if say(language, key) == key {
				t.Errorf("%d %%, %s: no words for %s", percent, language, key)
			}
		}
	}
	if len(seen) != len(phases) || (view{}).Phase(api.Tor{Bootstrap: 100}) != "tor.down" {
		t.Errorf("%v", seen)
	}
}

// What is drawn is numbers, also when there are none.
func TestCurves(t *testing.T) {
	text, err := json.Marshal(curvesOf("de", nil))
	if err != nil || !strings.Contains(string(text), `"at":[],"down":[],"up":[]`) {
		t.Errorf("%s, %v", text, err)
	}
	if c := curvesOf("de", []api.Rate{{Down: 1_250_000}}); c.Text != "Jetzt: 1,2 MB/s von Tor, 0 kB/s zu Tor." || c.Down[0] != 1_250_000 {
		t.Errorf("%+v", c)
	}
}

// "Except for those below" is said where there are some.
func TestNobodyOutside(t *testing.T) {
	const but = "except for those below"
	for who, want := range map[string]bool{"admin": false, "member": true} { // see inhabited
		body := get(newSite(inhabited(t)).Secure(), "https://box.home.arpa/overview", "Cookie", cookieName+"="+who).Body.String()
		if !strings.Contains(body, "Protected:") || strings.Contains(body, but) != want {
			t.Errorf("%s: %s", who, body)
		}
	}
}
