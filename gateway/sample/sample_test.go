package sample

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

func unpacked(t *testing.T, profile []byte) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(profile))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// turn keeps a processor busy until ctx ends.
//
//go:noinline
func turn(ctx context.Context) (n int) {
	for ctx.Err() == nil {
		n++
	}
	return n
}

// hold keeps what it is given until ctx ends.
//
//go:noinline
func hold(ctx context.Context, held string) int {
	<-ctx.Done()
	return len(held)
}

// allocate makes something each moment, and keeps it, until ctx ends.
//
//go:noinline
func allocate(ctx context.Context, held string) (kept []string) {
	for ctx.Err() == nil {
		kept = append(kept, strings.Repeat(held, 1000))
		time.Sleep(time.Millisecond)
	}
	return kept
}

// A profile names what the process does, and has nothing of what it does that with.
func TestTake(t *testing.T) {
	Rest()
	secret := strings.Repeat("secret-of-the-house.onion", 1+len(t.Name())/100)
	for k, work := range map[Kind]func(context.Context){
		CPU:        func(ctx context.Context) { turn(ctx) },
		Heap:       func(ctx context.Context) { runtime.KeepAlive(allocate(ctx, secret)) },
		Goroutines: func(ctx context.Context) { hold(ctx, secret) },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { work(ctx); close(done) }()
		time.Sleep(10 * time.Millisecond)
		profile, err := Take(t.Context(), k, time.Second)
		cancel()
		<-done
		if err != nil {
			t.Errorf("%s: %v", k, err)
			continue
		}
		text := unpacked(t, profile)
		name := map[Kind]string{CPU: "sample.turn", Heap: "sample.allocate", Goroutines: "sample.hold"}[k]
		if !strings.Contains(text, name) {
			t.Errorf("%s: %s is not in it", k, name)
		}
		if strings.Contains(text, "secret") {
			t.Errorf("%s: it has what the process works with", k)
		}
	}
	if runtime.MemProfileRate != 0 {
		t.Errorf("afterwards one of %d bytes is noted", runtime.MemProfileRate)
	}
}

// One at a time, none for ever, and none for somebody who has gone away.
func TestTakeBounds(t *testing.T) {
	taking.Lock()
	_, err := Take(t.Context(), Goroutines, time.Second)
	taking.Unlock()
	if !errors.Is(err, ErrBusy) {
		t.Errorf("a second one: %v", err)
	}
	for _, k := range []Kind{CPU, Heap} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := Take(ctx, k, longest); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s for somebody who has gone away: %v", k, err)
		}
		cancel()
	}
	for _, tc := range []struct {
		kind   Kind
		length time.Duration
	}{{"all", time.Second}, {"", time.Second}, {CPU, 0}, {CPU, -time.Second}, {Heap, longest + 1}} {
		if _, err := Take(t.Context(), tc.kind, tc.length); err == nil {
			t.Errorf("%q for %v was taken", tc.kind, tc.length)
		}
	}
}
