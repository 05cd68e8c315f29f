package serve

import (
	"context"
	"errors"
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
	home := onion.FromPublicKey(make([]byte, 32))
	var asks link.Mux
	link.Handle(&asks, link.SignMail, func(_ context.Context, d link.Digest) ([]byte, error) {
		if d != (link.Digest{Onion: string(home), Sum: [32]byte{7}}) {
			return nil, errors.New("no")
		}
		return []byte("good"), nil
	})
	p := startAnswering(t, &asks)
	s := p.serve
	dir := filepath.Join(t.TempDir(), "mail")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ask := func(verb link.MailVerb, word string) (link.MailAnswer, error) {
		return link.Ask(t.Context(), p.end, link.AskMail, link.MailQuestion{Verb: verb, Word: word})
	}
	if _, err := ask(link.MailQueue, ""); err == nil || !strings.Contains(err.Error(), "not set up") {
		t.Errorf("without mail: %v", err)
	}
	want := link.Mail{Dir: dir, Home: string(home), MaxSize: 1000}
	fronts := []link.Front{{Onion: "home", Host: home.Host(), Ports: []link.Port{{Virtual: 25, Endpoint: "smtp"}}}}
	// the front's socket alone
	if failed := p.try(link.Desired{Mail: &want, Fronts: fronts}); len(failed) != 1 || !strings.Contains(failed[0], "not handed over") {
		t.Errorf("Apply: %v", failed)
	}
	if ep := s.endpoint("smtp"); ep == nil || ep != s.endpoint("smtp") {
		t.Error("the endpoint is not there, or another each time")
	}
	if a, err := ask(link.MailQueue, ""); err != nil || len(a.Messages) != 0 {
		t.Errorf("queue: %+v, %v", a, err)
	}
	if _, err := ask(link.MailDrop, "x"); err == nil {
		t.Error("a mail that is not there is dropped")
	}
	if got, err := s.sign(t.Context(), home, [32]byte{7}); err != nil || string(got) != "good" {
		t.Errorf("sign = %q, %v", got, err)
	}
	if _, err := s.sign(t.Context(), home, [32]byte{8}); err == nil || !strings.Contains(err.Error(), "the parent refuses: no") {
		t.Errorf("a mail that is not to be signed: %v", err)
	}
	if failed := p.try(link.Desired{}); len(failed) != 0 || s.endpoint("smtp") != nil {
		t.Errorf("after mail was taken away: %v", failed)
	}
}
