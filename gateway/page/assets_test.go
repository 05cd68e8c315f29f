package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"regexp"
	"strings"
	"testing"
)

var loaded = regexp.MustCompile(`(?:src|href)="(/[a-z]+[^"]*\.(?:js|css))"`)

// The first load of each page, with all that it loads, is below 100 KB as a browser gets it.
func TestWeight(t *testing.T) {
	s := newSite(inhabited(t)).Secure()
	for name := range rooms {
		body := get(s, "https://box.home.arpa/"+name, "Cookie", cookieName+"=admin").Body.String()
		all, files := len(body), loaded.FindAllStringSubmatch(body, -1)
		for _, m := range files {
			w := get(s, "https://box.home.arpa"+m[1], "Accept-Encoding", "gzip, br")
			if w.Code != 200 {
				t.Errorf("%s: %s: %d", name, m[1], w.Code)
			}
			all += w.Body.Len()
		}
		t.Logf("%s: %d bytes, %d files", name, all, len(files))
		if all > 100_000 || len(files) < 3 {
			t.Errorf("%s: %d bytes, %v", name, all, files)
		}
	}
}

// Scripts are on the pages of whoever is logged in alone, in files of ours; no page has any
// of its own, and the policy allows no other.
func TestScripts(t *testing.T) {
	s := newSite(inhabited(t))
	for _, path := range []string{"/", "/login", "/certificate", "/overview", "/devices"} {
		w := get(s.Secure(), "https://box.home.arpa"+path)
		if strings.Contains(w.Body.String(), "<script") || strings.Contains(w.Header().Get("Content-Security-Policy"), "script-src") {
			t.Errorf("%s for nobody: %v, %s", path, w.Header(), w.Body)
		}
	}
	event := regexp.MustCompile(`<[^>]* (?:on[a-z]+|hx-on[:a-z-]*|style)="`)
	for name := range rooms {
		w := get(s.Secure(), "https://box.home.arpa/"+name, "Cookie", cookieName+"=admin")
		body, p := w.Body.String(), w.Header().Get("Content-Security-Policy")
		if n := strings.Count(body, "<script"); n < 2 || strings.Contains(strange(body), "<script") || event.MatchString(body) {
			t.Errorf("%s: %d scripts: %s", name, n, body)
		}
		if !strings.HasPrefix(p, "default-src 'none';") || !strings.HasSuffix(p, "; script-src 'self'; connect-src 'self'") ||
			strings.Contains(p, "unsafe") {
			t.Errorf("%s: %s", name, p)
		}
	}
	for name, a := range assets() {
		if w := get(s.Plain(), "http://box.home.arpa"+a.path); w.Code != 404 {
			t.Errorf("%s without TLS: %d", name, w.Code)
		}
	}
}

// A file is kept by browsers for good, as its path changes with it, and is the same
// compressed.
func TestAssets(t *testing.T) {
	s := newSite(&fakeBox{}).Secure()
	if len(assets()) != 4 {
		t.Errorf("%d files", len(assets()))
	}
	for name, a := range assets() {
		w := get(s, "https://box.home.arpa"+a.path)
		if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), a.text) || !strings.HasSuffix(w.Header().Get("Cache-Control"), "immutable") ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Content-Type") != a.kind {
			t.Errorf("%s: %d, %v", name, w.Code, w.Header())
		}
		z, err := gzip.NewReader(get(s, "https://box.home.arpa"+a.path, "Accept-Encoding", "gzip").Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || !bytes.Equal(text, a.text) {
			t.Errorf("%s: %v", name, err)
		}
		if other := newAsset(name, append([]byte(" "), a.text...)); other.path == a.path {
			t.Errorf("%s: another text has the same path", name)
		}
	}
	if w := get(s, "https://box.home.arpa/assets/libraries.json"); w.Code != 404 {
		t.Errorf("what is no asset: %d", w.Code)
	}
}
