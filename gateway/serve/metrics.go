package serve

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"

	"tunic/gateway/config"
	"tunic/gateway/link"
	"tunic/gateway/metrics"
)

// metrics serves numbers to Prometheus.
func (a *application) metrics(want *link.Metrics) {
	if want == nil {
		return
	}
	for _, name := range want.Listeners {
		a.run(name, "metrics", func(ctx context.Context, f *os.File) error {
			ln, err := a.listen(f)
			if err != nil {
				return err
			}
			return servePages(ctx, limited{ln, a.household.of("metrics"), a.Devices}, http.HandlerFunc(a.measure))
		})
	}
}

// measure answers one question for the numbers, which the parent has.
func (s *Server) measure(w http.ResponseWriter, r *http.Request) {
	switch {
	case !ownName(r.Host): // a page of somebody's could have its name lead here (decision 74)
		http.Error(w, "this is not the box's name", http.StatusMisdirectedRequest)
		return
	case r.URL.Path != "/metrics":
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET /metrics", http.StatusMethodNotAllowed)
		return
	}
	text, err := ask(r.Context(), s, link.Measure, struct{}{})
	if err != nil {
		http.Error(w, "the box is busy", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", metrics.ContentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // whoever asked has gone
}

// ownName reports whether a Host is the box itself: its name, or an address.
func ownName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(host)
	return err == nil || host == config.BoxName || host == "localhost"
}
