package page

import (
	"strings"
	"testing"

	"tunic/gateway/link"
)

// A leak is said with the device's name, and a house without one is told so.
func TestLeaks(t *testing.T) {
	b := inhabited(t)
	for _, c := range []struct {
		answer, want string
		fine         bool
	}{
		{`{"open":true,"classes":[{"id":"quic","stopped":3}]}`, "QUIC (UDP 443)", true},
		{`{"open":true,"classes":[{"id":"quic","leaks":["tv"]}]}`, `<span class="bad">tv</span>`, false},
		{`{"open":true,"rules":["a rule is gone"],"classes":[]}`, "a rule is gone", false},
		{`{"open":true,"wall":["it is down"],"classes":[]}`, "it is down", false},
		{`{"open":false,"classes":[{"id":"esp","tor":4711}]}`, "The household is closed now", true},
	} {
		b.answers["admin leaks"] = c.answer
		body := get(newSite(b).Secure(), "https://box.home.arpa/leaks", "Cookie", cookieName+"=admin").Body.String()
		if !strings.Contains(body, c.want) || strings.Contains(body, "nothing leaks.") != c.fine {
			t.Errorf("%s: %s", c.answer, body)
		}
		live := get(newSite(b).Secure(), "https://box.home.arpa/live/leaks", "Cookie", cookieName+"=admin").Body.String()
		if !strings.Contains(live, c.want) || !strings.Contains(body, live) || strings.Contains(live, "<html") {
			t.Errorf("live, %s: %s", c.answer, live)
		}
	}
	b.refused["member leaks"] = link.PageAnswer{Bar: true, Error: "no"}
	for _, who := range []string{"member", "stolen", ""} {
		if w := get(newSite(b).Secure(), "https://box.home.arpa/live/leaks", "Cookie", cookieName+"="+who); w.Code != 403 {
			t.Errorf("%q: %d, %s", who, w.Code, w.Body)
		}
	}
}
