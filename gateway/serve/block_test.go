package serve

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/socks"
)

// TestBlockListsComeThroughTor: a list is fetched by the SocksPort, which is asked for
// the name; the resolver then knows it, the status too, and an empty wish ends it.
func TestBlockListsComeThroughTor(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "||ads.example^\n@@||good.ads.example^\n##.banner")
	}))
	defer web.Close()
	tor := &openTor{server: web.Listener.Addr().String()}
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if s.socks, err = socks.New(socks.Options{Log: s.log, Home: s.resolver, DialTor: tor.dial}); err != nil {
		t.Fatal(err)
	}
	defer s.stopAll()
	source := "http://" + ourHost + "/list"
	want := link.Desired{DNS: link.DNS{Block: &link.Block{Dir: t.TempDir(), Lists: []link.BlockList{{Source: source}}}}}
	if failed := s.apply(t.Context(), want); len(failed) > 0 {
		t.Fatal(failed)
	}
	for end := time.Now().Add(30 * time.Second); !s.resolver.Blocked("ads.example") && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if !s.resolver.Blocked("x.ads.example") || s.resolver.Blocked("good.ads.example") {
		t.Error("the list is not in force")
	}
	b := s.status(t.Context()).Block
	if len(b) != 1 || b[0].From.IsZero() || b[0].Names != 1 || b[0].Exceptions != 1 || b[0].Source != source || b[0].Error != "" {
		t.Errorf("%+v", b)
	}
	tor.mu.Lock()
	dialled := slices.Clone(tor.dialed)
	tor.mu.Unlock()
	if len(dialled) != 1 || !strings.HasPrefix(dialled[0], ourHost+" ") && !strings.HasPrefix(dialled[0], ourHost+":") {
		t.Errorf("tor is asked for %q", dialled)
	}
	s.apply(t.Context(), link.Desired{})
	if s.resolver.Blocked("ads.example") || len(s.status(t.Context()).Block) != 0 {
		t.Error("without lists a name is blocked")
	}
}
