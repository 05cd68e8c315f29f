package serve

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/endpoint/smtp"
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

// A disk that takes minutes until all mails are read keeps nobody waiting but mail. The pipe
// in the place of a mail is such a disk: who opens it waits until somebody writes.
func TestMailOpensBeside(t *testing.T) {
	p := startAnswering(t, new(link.Mux))
	dir := filepath.Join(t.TempDir(), "mail")
	queue := filepath.Join(dir, ".spool", "queue")
	if err := os.MkdirAll(queue, 0o700); err != nil {
		t.Fatal(err)
	}
	slow := filepath.Join(queue, strings.Repeat("a", 32)+".json")
	if err := syscall.Mkfifo(slow, 0o600); err != nil {
		t.Fatal(err)
	}
	goOn := sync.OnceFunc(func() {
		f, err := os.OpenFile(slow, os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		time.AfterFunc(100*time.Millisecond, func() { f.Close() })
	})
	defer goOn()
	p.front("mail")
	home := onion.FromPublicKey(make([]byte, 32))
	want := link.Desired{Mail: &link.Mail{Dir: dir, Home: string(home), MaxSize: 1000, Listeners: []string{"front/mail"}}}
	for range 2 { // one opens it, both wait
		began := time.Now()
		failed := p.try(want)
		if len(failed) != 1 || !strings.Contains(failed[0], errOpening.Error()) || time.Since(began) > openTime+2*time.Second {
			t.Fatalf("after %v: %v", time.Since(began), failed)
		}
	}
	goOn()
	if failed := p.try(want); len(failed) != 0 || p.serve.endpoint("smtp") == nil {
		t.Errorf("when all is read: %v", failed)
	}
}

// When an upgrade has failed the mail server is opened again, and devices of the house hand in mail to that one.
func TestMailAfterARest(t *testing.T) {
	p := startAnswering(t, new(link.Mux))
	p.front("mail")
	dir := t.TempDir()
	for _, first := range []byte{1, 2} {
		home := onion.FromPublicKey(append([]byte{first}, make([]byte, 31)...))
		p.apply(link.Desired{Mail: &link.Mail{Dir: dir, Home: string(home), MaxSize: 1000, Listeners: []string{"front/mail"}}})
		c, err := net.Dial("unix", p.path("mail"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(30 * time.Second))
		if greeting, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(greeting, string(home)) {
			t.Errorf("it says %q, %v", greeting, err)
		}
		if _, err := link.Ask(t.Context(), p.end, link.Rest, struct{}{}); err != nil {
			t.Fatal(err)
		}
	}
}

// A server that is not wanted any more gives up its spool when it is open, and another one can have it.
func TestMailGivenUp(t *testing.T) {
	options := smtp.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	server, err := smtp.New(options)
	if err != nil {
		t.Fatal(err)
	}
	opening := &mailOpening{done: make(chan struct{}), server: server}
	o := currentMail{opening: opening}
	o.replace(nil)
	if _, err := o.open(options); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("while it is opened: %v", err)
	}
	close(opening.done)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if another, err := o.open(options); err == nil {
			another.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal("it is never given up")
		}
	}
}
