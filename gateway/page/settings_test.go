package page

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/link"
)

// typed is a form as a browser sends it.
func typed() url.Values {
	return url.Values{"of": {"x"}, "policy": {"direct"}, "metrics": {"off"}, "on": {"smtp", "irc"},
		"block": {"https://lists.example/a\r\nhttps://lists.example/b\r\n"}, "bypass": {"game.example tv console"},
		"to": {" bank.example "}, "devices": {"laptop, phone"}}
}

var asked = api.SettingsRequest{Of: "x", Policy: "direct", Metrics: "off", On: []string{"smtp", "irc"},
	Block: []string{"https://lists.example/a", "https://lists.example/b"},
	Bypasses: []api.SettingsBypass{{To: "game.example", Devices: []string{"tv", "console"}},
		{To: "bank.example", Devices: []string{"laptop", "phone"}}}}

// What is typed is planned, and what was planned is applied, byte for byte.
func TestSettingsArePlannedAndApplied(t *testing.T) {
	b := inhabited(t)
	b.answers["admin settings/plan"] = `{"changes":[{"what":"policy","to":"direct"},{"what":"bypass.add","to":` + quoted(evil) +
		`,"devices":["laptop"]},{"what":"server.on","to":"irc"}],"detail":["+ a rule"]}`
	w := post(newSite(b), "/do/settings/plan", "admin", typed())
	body := w.Body.String()
	for _, want := range []string{"Devices without a choice of their own: outside Tor", "Outside Tor from now: &lt;script", "for laptop",
		"On from now: chat in channels", "&#43; a rule", `action="/do/settings/apply"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing: %d, %s", want, w.Code, body)
		}
	}
	var got api.SettingsRequest
	question := strings.TrimPrefix(b.changes()[0], "admin settings/plan ")
	if err := json.Unmarshal([]byte(question), &got); err != nil || !reflect.DeepEqual(got, asked) {
		t.Errorf("%v, %s", err, question)
	}
	b.answers["admin settings/apply"] = `{}`
	w = post(newSite(b), "/do/settings/apply", "admin", url.Values{"request": {question}})
	if list := b.changes(); w.Code != 303 || len(list) != 2 || list[1] != "admin settings/apply "+question {
		t.Errorf("%d, %q", w.Code, list)
	}
	w = post(newSite(b), "/do/settings/apply", "admin", url.Values{"request": {"{"}})
	if w.Code != 400 || len(b.changes()) != 2 || !strings.Contains(w.Body.String(), "not complete") {
		t.Errorf("a broken form: %d, %s", w.Code, w.Body)
	}
}

// A mistake is said, and nothing that was typed is lost.
func TestSettingsAreNotLost(t *testing.T) {
	b := inhabited(t)
	b.refused["admin settings/plan"] = link.PageAnswer{Error: "there is no device called \"phone\"", Hint: "name it"}
	w := post(newSite(b), "/do/settings/plan", "admin", typed())
	body := w.Body.String()
	for _, want := range []string{"there is no device called", "name it", `value="bank.example"`, `value="laptop phone"`,
		`value="game.example tv console" checked`, "https://lists.example/a\nhttps://lists.example/b", `value="irc" checked`,
		`<option value="direct" selected>`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing: %s", want, body)
		}
	}
	if w.Code != 409 || strings.Contains(body, `action="/do/settings/apply"`) ||
		strings.Contains(body, `value="bank.example laptop phone"`) {
		t.Errorf("%d, %s", w.Code, body)
	}
}

// While settings wait there is the way to confirm them and to take them back, and no form.
func TestSettingsWait(t *testing.T) {
	b := inhabited(t)
	b.answers["admin settings"] = `{"trial":{"by":` + quoted(evil) + `,"until":"2026-11-30T21:42:10Z"}}`
	w := get(newSite(b).Secure(), "https://box.home.arpa/settings?done=settings/apply", "Cookie", cookieName+"=admin")
	body := w.Body.String()
	if !strings.Contains(body, `action="/do/settings/confirm"`) || !strings.Contains(body, `action="/do/settings/back"`) ||
		!strings.Contains(body, ":42:10") || !strings.Contains(body, "The settings are in force.") ||
		strings.Contains(body, `action="/do/settings/plan"`) || strings.Contains(body, "<script>") {
		t.Errorf("%d, %s", w.Code, body)
	}
	for _, verb := range []string{"settings/confirm", "settings/back"} {
		b.answers["admin "+verb] = `{}`
		if w := post(newSite(b), "/do/"+verb, "admin", url.Values{}); w.Code != 303 {
			t.Errorf("%s: %d, %s", verb, w.Code, w.Body)
		}
	}
}

// Nobody but the page's own forms plans or applies anything.
func TestSettingsOfOthers(t *testing.T) {
	for _, path := range []string{"/do/settings/plan", "/do/settings/apply", "/do/settings/confirm", "/do/settings/back"} {
		b := inhabited(t)
		s := newSite(b)
		if w := post(s, path, "admin", typed(), "Sec-Fetch-Site", "cross-site", "Origin", "https://attacker.example"); w.Code != 403 {
			t.Errorf("%s from another page: %d", path, w.Code)
		}
		form := typed().Encode() + "&form=" + formWord("another")
		if w := answer(s.Secure(), request("POST", "https://box.home.arpa"+path, form, "Origin", "https://box.home.arpa", "Cookie",
			cookieName+"=admin")); w.Code != 403 {
			t.Errorf("%s with the word of another log-in: %d", path, w.Code)
		}
		long := typed()
		long.Set("block", strings.Repeat("x", maxBody))
		if w := post(s, path, "admin", long); w.Code != 400 {
			t.Errorf("%s, too long: %d", path, w.Code)
		}
		if list := b.changes(); len(list) > 0 {
			t.Errorf("%s: %q", path, list)
		}
		b.refused["member "+strings.TrimPrefix(path, "/do/")] = link.PageAnswer{Error: "this is for admins"}
		if w := post(s, path, "member", typed()); w.Code < 400 || strings.Contains(w.Body.String(), "settings.") {
			t.Errorf("%s by a member: %d, %s", path, w.Code, w.Body)
		}
	}
}
