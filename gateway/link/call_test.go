package link

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// ends are two ends at work; what each answers is up to its mux.
func ends(t *testing.T, parents, childs *Mux) (parent, child *End) {
	t.Helper()
	a, b := pair(t)
	parent, child = NewEnd(a, parents), NewEnd(b, childs)
	go parent.Run(t.Context())
	go child.Run(t.Context())
	return parent, child
}

func TestAskIsAnswered(t *testing.T) {
	want := Grant{Device: netip.MustParseAddr("192.168.77.10"), Domain: "bank.example",
		Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.7")}, TTL: time.Minute}
	var parents, childs Mux
	Handle(&parents, LetThrough, func(_ context.Context, g Grant) (none struct{}, err error) {
		if !reflect.DeepEqual(g, want) {
			err = errors.New("not that")
		}
		return none, err
	})
	Handle(&childs, AskMail, func(_ context.Context, q MailQuestion) (MailAnswer, error) {
		return MailAnswer{Count: len(q.Word)}, nil
	})
	parent, child := ends(t, &parents, &childs)
	if _, err := Ask(t.Context(), child, LetThrough, want); err != nil {
		t.Errorf("granted: %v", err)
	}
	if _, err := Ask(t.Context(), child, LetThrough, Grant{}); err == nil || err.Error() != "not that" {
		t.Errorf("refused: %v", err)
	}
	if a, err := Ask(t.Context(), parent, AskMail, MailQuestion{Word: "four"}); err != nil || a.Count != 4 {
		t.Errorf("the answer is %+v, %v", a, err)
	}
	if _, err := Ask(t.Context(), parent, Report, struct{}{}); err == nil || !strings.Contains(err.Error(), `no question "report"`) {
		t.Errorf("a question that nobody answers: %v", err)
	}
	if parent.asked()+child.asked() != 0 {
		t.Error("questions are remembered that were answered")
	}
}

// One end cannot make the other do more than a few things of a kind at a time,
// and who gives up leaves nothing behind.
func TestTooManyAreRefused(t *testing.T) {
	hold := make(chan struct{})
	var parents Mux
	Handle(&parents, LetThrough, func(context.Context, Grant) (none struct{}, err error) {
		<-hold
		return none, nil
	})
	_, child := ends(t, &parents, new(Mux))
	results := make(chan error, LetThrough.limit+1)
	for range cap(results) {
		go func() {
			_, err := Ask(t.Context(), child, LetThrough, Grant{})
			results <- err
		}()
	}
	if err := <-results; !errors.Is(err, ErrBusy) {
		t.Errorf("the first to be answered: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var other Mux
	Handle(&other, Reach, func(context.Context, Trial) (Reached, error) { <-hold; return Reached{}, nil })
	asker, _ := ends(t, new(Mux), &other)
	if _, err := Ask(short, asker, Reach, Trial{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("never answered: %v", err)
	}
	if asker.asked() != 0 {
		t.Error("a question is remembered whose asker has gone")
	}
	close(hold)
	for range cap(results) - 1 {
		if err := <-results; err != nil {
			t.Errorf("one of as many as there may be: %v", err)
		}
	}
}

// What comes before a desired state is there when it is obeyed, and what comes
// after waits.
func TestInOrder(t *testing.T) {
	var did []string // of the end's own goroutine
	begun := make(chan struct{})
	childs := Mux{Take: func(name string, f *os.File) error {
		did = append(did, name)
		return f.Close()
	}}
	Handle(&childs, Apply, func(_ context.Context, d Desired) ([]string, error) {
		close(begun)
		time.Sleep(10 * time.Millisecond)
		did = append(did, "apply")
		return nil, nil
	})
	Handle(&childs, Renew, func(context.Context, Renewal) (none struct{}, err error) {
		did = append(did, "renew")
		return none, nil
	})
	parent, _ := ends(t, new(Mux), &childs)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	applied := make(chan error)
	if err := parent.Hand("socks", f); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := Ask(t.Context(), parent, Apply, Desired{})
		applied <- err
	}()
	<-begun // a question that waits may not be sent yet
	if _, err := Ask(t.Context(), parent, Renew, Renewal{}); err != nil {
		t.Fatal(err)
	}
	if err := <-applied; err != nil || strings.Join(did, " ") != "socks apply renew" {
		t.Errorf("did %q, %v", did, err)
	}
}

// asked is how many questions wait for an answer.
func (e *End) asked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.waiting)
}

// Who waits when the other end goes away is told so, and who asks then too.
func TestGoneAway(t *testing.T) {
	asked := make(chan struct{})
	var childs Mux
	Handle(&childs, Report, func(ctx context.Context, _ struct{}) (Status, error) {
		close(asked)
		<-ctx.Done()
		return Status{}, nil
	})
	a, b := pair(t)
	parent, child := NewEnd(a, new(Mux)), NewEnd(b, &childs)
	ended := make(chan error, 2)
	go func() { ended <- parent.Run(t.Context()) }()
	go func() { ended <- child.Run(t.Context()) }()
	go func() { <-asked; child.Close() }()
	if _, err := Ask(t.Context(), parent, Report, struct{}{}); !errors.Is(err, ErrClosed) {
		t.Errorf("who waits: %v", err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	}
	if _, err := Ask(t.Context(), parent, Report, struct{}{}); !errors.Is(err, ErrClosed) {
		t.Errorf("who asks later: %v", err)
	}
}

// The parent takes no listener from serve, which a stranger may have taken over.
func TestListenerThatNobodyTakes(t *testing.T) {
	a, b := pair(t)
	parent := NewEnd(a, new(Mux))
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := b.Send(Listener{Name: "x"}, f); err != nil {
		t.Fatal(err)
	}
	if err := parent.Run(t.Context()); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("Run: %v", err)
	}
}

// Descriptors come with the question that wants them, and with no other.
func TestFilesOfQuestions(t *testing.T) {
	verb := Verb[string, string]{"with", 4, 5 * time.Second}
	plain := Verb[string, string]{"plain", 4, 5 * time.Second}
	mux := new(Mux)
	HandleFiles(mux, verb, 1, func(_ context.Context, q string, files []*os.File) (string, error) {
		text := make([]byte, 5)
		_, err := files[0].ReadAt(text, 0)
		return q + string(text), err
	})
	Handle(mux, plain, func(context.Context, string) (string, error) { return "answered", nil })
	ours, _ := ends(t, new(Mux), mux)
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString("hello")
	if a, err := AskFiles(t.Context(), ours, verb, "it says ", f); err != nil || a != "it says hello" {
		t.Errorf("%q, %v", a, err)
	}
	for _, wrong := range []func() (string, error){
		func() (string, error) { return Ask(t.Context(), ours, verb, "") },
		func() (string, error) { return AskFiles(t.Context(), ours, verb, "", f, f) },
		func() (string, error) { return AskFiles(t.Context(), ours, plain, "", f) },
	} {
		if a, err := wrong(); err == nil {
			t.Errorf("answered %q", a)
		}
	}
}

// A question that is longer than any is refused before it is looked at.
func TestLongQuestions(t *testing.T) {
	parents := Mux{Longest: 1 << 10}
	asked := 0
	Handle(&parents, LetThrough, func(context.Context, Grant) (none struct{}, err error) { asked++; return none, nil })
	_, child := ends(t, &parents, new(Mux))
	if _, err := Ask(t.Context(), child, LetThrough, Grant{Domain: strings.Repeat("x", 900)}); err != nil {
		t.Error(err)
	}
	if _, err := Ask(t.Context(), child, LetThrough, Grant{Domain: strings.Repeat("x", 1<<10)}); err == nil || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}
