package child

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/supervise"
)

// serve is a child that says what it was told to do.
type serve struct {
	did    []string
	failed []string // what it cannot do
}

// begin is a process of p's that runs s.
func begin(t *testing.T, p *Process, s *serve) *link.End {
	t.Helper()
	conn, file, err := link.Pair()
	if err != nil {
		t.Fatal(err)
	}
	other, err := link.FromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mux := &link.Mux{Take: func(name string, f *os.File) error {
		s.did = append(s.did, "take "+name)
		return f.Close()
	}}
	link.Handle(mux, link.Rest, func(context.Context, struct{}) (none struct{}, _ error) {
		s.did = append(s.did, "rest")
		return none, nil
	})
	link.Handle(mux, link.Apply, func(context.Context, link.Desired) ([]string, error) {
		s.did = append(s.did, "apply")
		return s.failed, nil
	})
	end := link.NewEnd(other, mux)
	go end.Run(t.Context())
	ours := link.NewEnd(conn, &p.Answers)
	go p.listen(t.Context(), ours)
	t.Cleanup(func() { ours.Close(); end.Close() })
	p.attach(ours, nil)
	return end
}

// Only what a process does not have yet is sent, and a new one gets everything.
func TestApplySendsWhatIsNew(t *testing.T) {
	p := &Process{Log: slog.New(slog.DiscardHandler), Changed: func() {}}
	if _, err := p.Apply(t.Context(), link.Desired{}, nil); !errors.Is(err, errNotRunning) {
		t.Errorf("without a process: %v", err)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	listeners := map[string]*os.File{"socks": f}
	first := new(serve)
	end := begin(t, p, first)
	want := link.Desired{TorUID: 107}
	for _, step := range []struct {
		d      link.Desired
		failed []string
		did    []string
	}{
		{want, nil, []string{"take socks", "apply"}},
		{want, nil, nil},
		{link.Desired{TorUID: 108}, []string{"no"}, []string{"apply"}},
		{link.Desired{TorUID: 108}, nil, []string{"apply"}}, // what could not be done is tried again
		{link.Desired{TorUID: 108}, nil, nil},
		{want, []string{"no"}, []string{"apply"}},
		{link.Desired{TorUID: 108}, nil, []string{"apply"}}, // it may have half of the other
	} {
		first.did, first.failed = nil, step.failed
		failed, err := p.Apply(t.Context(), step.d, listeners)
		if err != nil || !slices.Equal(failed, step.failed) || !slices.Equal(first.did, step.did) {
			t.Errorf("did %q, failed %q, %v", first.did, failed, err)
		}
	}
	end.Close()
	second := new(serve)
	begin(t, p, second)
	if _, err := p.Apply(t.Context(), link.Desired{TorUID: 108}, listeners); err != nil ||
		!slices.Equal(second.did, []string{"take socks", "apply"}) {
		t.Errorf("the next process did %q, %v", second.did, err)
	}
}

// A serve that goes away while it is asked is away.
func TestAwayIsSaid(t *testing.T) {
	p := &Process{Log: slog.New(slog.DiscardHandler), Changed: func() {}}
	begin(t, p, new(serve)).Close()
	if _, err := p.Status(t.Context()); !errors.Is(err, errNotRunning) {
		t.Errorf("Status: %v", err)
	}
}

// A serve that lives on without listening to the parent is ended, and the next one started.
func TestServeThatDoesNotListen(t *testing.T) {
	p := &Process{Log: slog.New(slog.DiscardHandler), Changed: func() {},
		Command: supervise.Command{Name: "serve", Path: "/bin/sh",
			Args: []string{"-c", "exec 3>&-; trap '' TERM; while :; do sleep 1; done"}}}
	done := make(chan error, 1)
	go func() { done <- p.run(t.Context()) }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("that is no failure")
		}
	case <-time.After(30 * time.Second):
		t.Error("it goes on")
	}
}
