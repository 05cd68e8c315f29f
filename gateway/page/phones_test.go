package page

import (
	"strings"
	"testing"
)

// Phones away from home are in the room of onions, with a button for a lost one, as text
// whatever they are called; without any there is no word of them.
func TestPhonesAreShown(t *testing.T) {
	for phones, want := range map[string][]string{
		`[{"name":"annphone","user":"ann","address":"key.onion","active":2},{"name":"<b>x","user":"carl","shut_out":true}]`: {
			"annphone (ann)", "key.onion", say("en", "phones.open", 2),
			`action="/do/phone/remove"`, "&lt;b&gt;x (carl)", say("en", "phones.shutout")},
		"[]": nil,
	} {
		b := inhabited(t)
		b.answers["admin onions"] = `{"onions":[],"phones":` + phones + `}`
		body := get(newSite(b).Secure(), "https://box.home.arpa/onions", "Cookie", cookieName+"=admin").Body.String()
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%q is missing in %s", w, body)
			}
		}
		if shown := strings.Contains(body, say("en", "phones.title")); shown != (want != nil) || strings.Contains(body, "<b>x") {
			t.Errorf("%s: %s", phones, body)
		}
	}
}
