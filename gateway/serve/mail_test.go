package serve

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// A serve that is told of mail has the endpoint, has its parent sign, and
// answers about its queue.
func TestMailInServe(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	parent, child, err := link.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	end, err := link.FromFile(child)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Run(context.Background(), end) }()
	dir := filepath.Join(t.TempDir(), "mail")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	home := onion.FromPublicKey(make([]byte, 32))
	ask := func(m link.Message) link.Answer {
		t.Helper()
		if err := parent.Send(m); err != nil {
			t.Fatal(err)
		}
		for {
			got, _, err := parent.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if a, ok := got.(link.Answer); ok {
				return a
			}
		}
	}
	if a := ask(link.MailAsk{ID: 1, Verb: link.MailQueue}); len(a.Errors) != 1 || !strings.Contains(a.Errors[0], "not set up") {
		t.Errorf("without mail: %+v", a)
	}
	want := link.Mail{Dir: dir, Home: string(home), MaxSize: 1000}
	fronts := []link.Front{{Onion: "home", Host: home.Host(), Ports: []link.Port{{Virtual: 25, Endpoint: "smtp"}}}}
	if a := ask(link.Desired{ID: 2, Mail: &want, Fronts: fronts}); len(a.Errors) != 1 || !strings.Contains(a.Errors[0], "not handed over") { // the front's socket alone
		t.Errorf("Desired: %v", a.Errors)
	}
	if ep := s.endpoint("smtp"); ep == nil || ep != s.endpoint("smtp") {
		t.Error("the endpoint is not there, or another each time")
	}
	if a := ask(link.MailAsk{ID: 3, Verb: link.MailQueue}); a.ID != 3 || len(a.Errors) != 0 || len(a.Mail.Messages) != 0 {
		t.Errorf("queue: %+v", a)
	}
	if a := ask(link.MailAsk{ID: 4, Verb: link.MailDrop, Word: "x"}); len(a.Errors) != 1 {
		t.Errorf("drop: %+v", a)
	}
	go func() {
		m, _, err := parent.Receive()
		if sign, ok := m.(link.Sign); err == nil && ok && sign.Onion == string(home) && sign.Digest == [32]byte{7} {
			parent.Send(link.Signed{ID: sign.ID, Signature: []byte("good")})
			return
		}
		t.Errorf("serve sent %+v, %v", m, err)
	}()
	if got, err := s.signer.sign(t.Context(), home, [32]byte{7}); err != nil || string(got) != "good" {
		t.Errorf("sign = %q, %v", got, err)
	}
	if a := ask(link.Desired{ID: 5}); len(a.Errors) != 0 || s.endpoint("smtp") != nil {
		t.Errorf("after mail was taken away: %v", a.Errors)
	}
	parent.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
