//go:build lab

package tor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"tunic/gateway/supervise"
	"tunic/internal/proc"
)

// adoptee is what a daemon in another process, which is not asked, would hand on.
func adoptee(t *testing.T, base string) Handed {
	t.Helper()
	spec, err := labSpec(base)
	if err != nil {
		t.Fatal(err)
	}
	var process supervise.Handed
	for i := 0; process.PID == 0 && i < 600; i++ {
		time.Sleep(50 * time.Millisecond)
		text, _ := os.ReadFile(spec.record())
		_, _ = fmt.Sscan(string(text), &process.PID, &process.Start) // half written: once more
	}
	time.Sleep(time.Second) // tor reads its torrc
	version, err := FindVersion(t.Context(), spec.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return Handed{Process: process, Version: version, Spec: spec, Has: []string{}}
}

// TestTorFollowsItsHeir: a tor that was taken over outlives the daemon that started
// it, also after its configuration was changed, and ends with the one that took it.
func TestTorFollowsItsHeir(t *testing.T) {
	base := labDir(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), daemonKey+"="+base)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()         // it was killed
	defer cmd.Process.Kill() // it may have ended
	h := adoptee(t, base)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	b := &box{Tor: New(Options{Log: log}), t: t, base: base, spec: h.Spec, ended: make(chan error, 1)}
	if err := b.Adopt(h, read); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	go func() { b.ended <- b.Serve(ctx) }()
	if err := b.AwaitAdopted(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Own(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	more := h.Spec.Clone()
	o, err := labOnion(more, base, "home")
	if err != nil {
		t.Fatal(err)
	}
	more.Onions = []Onion{o}
	b.apply(more)
	for range 20 { // it looks every 15 s
		if time.Sleep(time.Second); !proc.Alive(h.Process.PID) || b.Status().PID != h.Process.PID {
			t.Fatal("tor ended with the daemon that had started it")
		}
	}
	if got := b.published(); len(got) != 1 {
		t.Errorf("onions %q", got)
	}
	end()
	<-b.ended
	if proc.Alive(h.Process.PID) {
		t.Error("it outlived the daemon that took it over")
	}
}
