package serve

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tunic/gateway/link"
)

func TestSetupPages(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	addr := handOver(t, s, "setup")
	d := link.Desired{Setup: &link.Setup{Listeners: []string{"setup"}, Domain: "x.peer.home.arpa", Host: "box.home.arpa", IMAPS: 993,
		Submit: 587}}
	if failed := s.apply(t.Context(), d); len(failed) > 0 {
		t.Fatal(failed)
	}
	defer s.stopAll()
	get := func() (string, error) {
		r, err := http.Get("http://" + addr + "/mail/config-v1.1.xml")
		if err != nil {
			return "", err
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		return string(body), err
	}
	if body, err := get(); err != nil || !strings.Contains(body, "x.peer.home.arpa") {
		t.Errorf("%q, %v", body, err)
	}

	// One device has so many connections and no more; they come back.
	var open []net.Conn
	for range householdLimits.MaxPerVisitor + 5 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	last := open[len(open)-1]
	if err := last.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("a connection beyond the limit: %v", err)
	}
	for _, c := range open {
		c.Close()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := get(); err == nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("the connections never come back")
		}
	}
}
