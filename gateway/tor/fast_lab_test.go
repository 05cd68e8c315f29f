//go:build lab

package tor

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"tunic/internal/proc"
)

// A real tor takes the single-hop mode with onions, beside the one for clients;
// it rests, and comes back.
func TestFastTor(t *testing.T) {
	b := newBox(t)
	b.awaitRunning()
	fast := &box{Tor: New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))}), t: t, base: b.base, ended: make(chan error, 1)}
	spec := b.spec.Clone()
	spec.SingleHop, spec.TransPort, spec.SocksPort, spec.Socks, spec.DNSPort = true, 0, 0, "", 0
	spec.DataDir, spec.RunDir, spec.Torrc = filepath.Join(b.base, "fast"), filepath.Join(b.base, "fast-run"),
		filepath.Join(b.base, "fast.torrc")
	films, err := labOnion(spec, b.base, "films")
	if err != nil {
		t.Fatal(err)
	}
	spec.Onions = []Onion{films}
	if err := fast.Verify(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	go func() { fast.ended <- fast.Serve(ctx) }()
	for range 2 {
		fast.apply(spec)
		pid := fast.awaitRunning().PID
		for option, want := range map[string]string{"HiddenServiceSingleHopMode": "1", "HiddenServiceNonAnonymousMode": "1",
			"SocksPort": "0"} {
			if lines, err := fast.runningSession().commands.command("GETCONF " + option); err != nil ||
				strings.Join(lines, "") != option+"="+want {
				t.Errorf("%s: %q, %v", option, lines, err)
			}
		}
		if got := fast.published(); len(got) != 1 || got[0] != "films" {
			t.Errorf("onions %q", got)
		}
		if difference, err := fast.runningSession().listening(spec); difference != "" || err != nil {
			t.Errorf("listeners: %s, %v", difference, err)
		}
		fast.Stop()
		fast.await("the fast tor to end", func() bool { return !proc.Alive(pid) })
		if !b.Status().Running {
			t.Error("the other tor is gone too")
		}
	}
}
