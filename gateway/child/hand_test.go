package child

import (
	"log/slog"
	"os/exec"
	"slices"
	"testing"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/supervise"
)

// A serve that has rested is told again what to do, though nothing has changed.
func TestRest(t *testing.T) {
	p := &Process{Log: slog.New(slog.DiscardHandler), Changed: func() {}}
	s := new(serve)
	begin(t, p, s)
	for range 2 {
		if _, err := p.Apply(t.Context(), link.Desired{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Rest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), link.Desired{}, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"apply", "rest", "apply"}; !slices.Equal(s.did, want) {
		t.Errorf("did %q, want %q", s.did, want)
	}
}

// sleeper is the serve of an earlier daemon.
func sleeper(t *testing.T) *supervise.Process {
	t.Helper()
	path, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	process, err := supervise.Start(supervise.Command{Name: "sleep", Path: path, Args: []string{"60"}}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(t.Context(), 0); err != nil {
			t.Error(err)
		}
	})
	return process
}

// TestEarlierServeEndsWithItsDoors: it goes on while what it lets in may come in, and
// not when somebody was shut out.
func TestEarlierServeEndsWithItsDoors(t *testing.T) {
	front := link.Front{Onion: "a", Host: "a.onion", Listener: "front/a", Ports: []link.Port{{Virtual: 80, Endpoint: "gopher"}}}
	before := link.Desired{TorUID: 107, Fronts: []link.Front{front}, Users: link.Users{List: []link.User{{Name: "alice"}}}}
	elsewhere := before
	elsewhere.DNS.Private = []string{"home.example"}
	shut := map[string]link.Desired{"onion": before, "user": before, "endpoint": before, "tor": before}
	for name, change := range map[string]func(*link.Desired){
		"onion": func(d *link.Desired) { d.Fronts = nil }, "user": func(d *link.Desired) { d.Users.List = nil },
		"endpoint": func(d *link.Desired) { d.Gopher = &link.Gopher{Root: "/srv"} }, "tor": func(d *link.Desired) { d.TorUID++ },
	} {
		d := shut[name]
		change(&d)
		process := sleeper(t)
		p := &Process{Log: slog.New(slog.DiscardHandler), Changed: func() {}, olds: []*old{{process: process}}}
		begin(t, p, new(serve))
		for _, same := range []link.Desired{before, before, elsewhere} {
			if _, err := p.Apply(t.Context(), same, nil); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-process.Done():
			t.Fatalf("%s: it ended before anything changed", name)
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := p.Apply(t.Context(), d, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case <-process.Done():
		case <-time.After(30 * time.Second):
			t.Errorf("%s: it goes on", name)
		}
	}
}
