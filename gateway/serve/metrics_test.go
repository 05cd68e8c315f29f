package serve

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"tunic/gateway/link"
)

// The page is at one path, for those who call the box by its own name, and says
// nothing when the parent is away.
func TestMetricsPage(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	addr := handOver(t, s, "metrics")
	if failed := s.apply(t.Context(), link.Desired{Metrics: &link.Metrics{Listeners: []string{"metrics"}}}); len(failed) > 0 {
		t.Fatal(failed)
	}
	defer s.stopAll()
	r, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); r.StatusCode != http.StatusServiceUnavailable || err != nil { // there is no parent
		t.Errorf("%s %q, %v", r.Status, body, err)
	}
	for _, x := range []struct {
		method, host, path string
		want               int
	}{
		{"GET", "box.home.arpa:9474", "/metrics", http.StatusServiceUnavailable}, {"HEAD", "[fd00::1]:9474", "/metrics",
			http.StatusServiceUnavailable},
		{"GET", "192.168.1.1", "/", http.StatusNotFound}, {"GET", "localhost:9474", "/metrics/../x", http.StatusNotFound},
		{"POST", "127.0.0.1:9474", "/metrics", http.StatusMethodNotAllowed},
		{"GET", "evil.example", "/metrics", http.StatusMisdirectedRequest}, {"GET", "box.home.arpa.evil.example:9474", "/metrics",
			http.StatusMisdirectedRequest},
		{"GET", "", "/metrics", http.StatusMisdirectedRequest},
	} {
		q := httptest.NewRequest(x.method, "http://"+addr+x.path, nil)
		q.Host = x.host
		w := httptest.NewRecorder()
		if s.measure(w, q); w.Code != x.want {
			t.Errorf("%s http://%s%s: %d, want %d", x.method, x.host, x.path, w.Code, x.want)
		}
	}
}
