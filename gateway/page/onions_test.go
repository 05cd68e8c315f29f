package page

import (
	"net/url"
	"strings"
	"testing"

	"tunic/gateway/api"
)

// An onion has a QR code that a phone opens, which nobody can have drawn of anything else.
func TestCode(t *testing.T) {
	address := strings.Repeat("a", 56) + ".onion"
	for want, o := range map[string]api.Onion{
		"http://" + address:  {Address: address, Ports: []api.Port{{Port: 443}, {Port: 80}, {Port: 443}}},
		"https://" + address: {Address: address, Ports: []api.Port{{Port: 25}, {Port: 443}}},
		address:              {Address: address, Ports: []api.Port{{Port: 22}}},
		"":                   {Address: "javascript:alert(1)", Ports: []api.Port{{Port: 22}}},
	} {
		path := (view{}).Code(o)
		if u, err := url.Parse(path); err != nil || u.Query().Get("of") != want {
			t.Errorf("%+v: %q", o, path)
		}
	}
	s := newSite(inhabited(t)).Secure()
	path := "https://box.home.arpa/qr?of=" + url.QueryEscape("http://"+address)
	for who, code := range map[string]int{"admin": 200, "member": 200, "stolen": 403, "": 403} {
		w := get(s, path, "Cookie", cookieName+"="+who)
		if w.Code != code || (code == 200) != strings.HasPrefix(w.Body.String(), "\x89PNG") {
			t.Errorf("%q: %d", who, w.Code)
		}
	}
	for _, text := range []string{"", "http://attacker.example", "javascript:alert(1)", address + "/x", strings.Repeat("a", 5000)} {
		if w := get(s, "https://box.home.arpa/qr?of="+url.QueryEscape(text), "Cookie", cookieName+"=admin"); w.Code != 404 {
			t.Errorf("%q: %d", text, w.Code)
		}
	}
}
