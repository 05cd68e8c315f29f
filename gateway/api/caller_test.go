package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// looked are all requests that somebody who may only look can make: a new one is
// not among them unless it is put here too.
var looked = []string{"/bypasses", "/devices", "/peers", "/plan", "/status", "/why"}

// Whoever only looks is refused everything else, and so is somebody of whom
// the kernel says nothing.
func TestWhoMayOnlyLook(t *testing.T) {
	f := &fake{}
	parts := Parts{f, f, f, f, f, f, f, f, f, f, f, f}
	for uid, all := range map[int]bool{0: true, 1000: false, nobody: false} {
		var allowed []string
		for _, r := range parts.routes() {
			f.asked = nil
			req := httptest.NewRequest(r.method, r.path, strings.NewReader("{}"))
			w := httptest.NewRecorder()
			handler(parts).ServeHTTP(w, req.WithContext(context.WithValue(t.Context(), callerKey{}, caller{uid})))
			refused := w.Code == http.StatusConflict && strings.Contains(w.Body.String(), "permission denied")
			if !refused {
				allowed = append(allowed, r.path)
			}
			if refused && f.asked != nil {
				t.Errorf("%d: %s is refused, and done", uid, r.path)
			}
		}
		slices.Sort(allowed)
		if !all && !slices.Equal(allowed, looked) {
			t.Errorf("%d may %q", uid, allowed)
		}
		if all && len(allowed) != len(parts.routes()) {
			t.Errorf("root may %q alone", allowed)
		}
	}
}

// Without a word of the kernel's nobody may do anything but look.
func TestNoCaller(t *testing.T) {
	if everything(t.Context()) {
		t.Error("a call without a caller may do everything")
	}
}
