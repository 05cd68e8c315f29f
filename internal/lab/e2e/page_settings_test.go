//go:build lab

package e2e

import (
	"html"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/health"
	"tunic/gateway/session"
)

// asAdmin is the browser of an admin who has just been made and has logged in.
func (w *world) asAdmin(name string) *browser {
	w.Helper()
	w.must("gateway", "sh", "-c", "echo '"+bobsPassword+"' | tunic user add "+name)
	w.Cleanup(func() {
		w.must("gateway", "tunic", "user", "remove", name)
		os.RemoveAll(w.paths().Page())
	})
	b := w.browser(w.laptop)
	body := b.page("/login", url.Values{"name": {name}, "password": {bobsPassword}})
	secret := regexp.MustCompile(`<dd class="key">([A-Z2-7]{32})</dd>`).FindStringSubmatch(body)
	if secret == nil {
		w.Fatalf("no secret: %s", body)
	}
	code, err := session.Code(secret[1], time.Now())
	if err != nil {
		w.Fatal(err)
	}
	b.page("/enrol", url.Values{"code": {code}})
	return b
}

// settings is the form as it stands on the page.
func (b *browser) settings() url.Values {
	b.Helper()
	body := b.page("/settings", nil)
	all := func(pattern string) (list []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(body, -1) {
			list = append(list, html.UnescapeString(m[1]))
		}
		return list
	}
	return url.Values{"of": all(`name="of" value="(\w+)"`), "on": all(`name="on" value="(\w+)" checked`),
		"policy": all(`<option value="(\w+)" selected`)[:1], "metrics": all(`<option value="(\w+)" selected`)[1:],
		"bypass": all(`name="bypass" value="([^"]*)" checked`), "block": all(`(?s)<textarea name="block"[^>]*>(.*?)</textarea>`)}
}

var planned = regexp.MustCompile(`name="request" value="([^"]*)"`)

// plans shows what settings would change, and returns the form that applies them.
func (b *browser) plans(form url.Values, want string) url.Values {
	b.Helper()
	body := b.page("/do/settings/plan", form)
	m := planned.FindStringSubmatch(body)
	if m == nil || !strings.Contains(body, want) {
		b.Fatalf("no plan: %s", body)
	}
	return url.Values{"request": {html.UnescapeString(m[1])}}
}

// reports: a report of a house that has names, addresses and keys has none of them.
func (w *world) reports(b *browser) {
	w.Helper()
	report := w.must("gateway", "tunic", "report")
	page := html.UnescapeString(b.page("/report", nil))
	if !strings.Contains(report, "state: open, ready: ") || !strings.Contains(page, "default policy: tor") ||
		!strings.Contains(page, "level=INFO") {
		w.Errorf("%s\n%s", report, page)
	}
	hidden := []string{"phone", "laptop", "greta", "bob", "192.168.", "203.0.", "fd77:", "br-lan", ".onion", "02:00:"}
	for _, o := range w.status().Onions {
		hidden = append(hidden, strings.TrimSuffix(o.Address, ".onion"))
	}
	for _, word := range hidden {
		if strings.Contains(report, word) {
			w.Errorf("%q is in the report: %s", word, report)
		}
	}
}

// pageSettings changes settings from the page: what is confirmed stays; what cuts the
// admin off is taken back, though the daemon is killed before.
func pageSettings(w *world) {
	b := w.asAdmin("greta")
	main := w.paths().Main()
	before, err := os.ReadFile(main)
	if err != nil {
		w.Fatal(err)
	}
	if body := b.page("/leaks", nil); !strings.Contains(body, "nothing leaks.") || strings.Contains(body, `class="bad"`) {
		w.Errorf("the leak test: %s", body)
	}
	w.reports(b)
	form := b.settings()
	form.Set("metrics", "loopback")
	if body := b.page("/do/settings/apply", b.plans(form, "programs on the box")); !strings.Contains(body, "greta has changed settings") {
		w.Fatalf("it is not applied: %s", body)
	}
	if body := b.page("/do/settings/confirm", url.Values{}); !strings.Contains(body, "the new settings stay") {
		w.Errorf("it is not confirmed: %s", body)
	}
	if text, _ := os.ReadFile(main); !strings.Contains(string(text), `metrics = "loopback"`) {
		w.Errorf("it is not in the file: %s", text)
	}
	if err := os.WriteFile(main, before, 0o644); err != nil {
		w.Fatal(err)
	}
	w.must("gateway", "tunic", "reload")

	form = b.settings()
	form.Set("policy", "block")
	apply := b.plans(form, "blocked")
	apply.Set("form", b.form)
	const to = "https://box.home.arpa/do/settings/apply"
	r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, to, strings.NewReader(apply.Encode()))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://box.home.arpa")
	b.Timeout = 3 * time.Second
	if answer, err := b.Do(r); err == nil { // else its own connection is cut
		answer.Body.Close()
	}
	w.finds(health.SettingsTrial, "greta has changed settings")
	if _, err := b.Get("https://box.home.arpa/settings"); err == nil {
		w.Error("the laptop is blocked, and reaches the page")
	}
	w.stop(syscall.SIGKILL)
	w.start()
	if text, err := os.ReadFile(main); err != nil || string(text) != string(before) {
		w.Errorf("the earlier settings are not back: %v, %s", err, text)
	}
	if body := b.page("/settings", nil); strings.Contains(body, "<nav") || !strings.Contains(body, "not logged in any more") {
		w.Errorf("after a restart: %s", body)
	}
}
