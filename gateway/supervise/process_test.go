package supervise

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tunic/internal/proc"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// shell starts a script; the process is killed when the test ends.
func shell(t *testing.T, script string, change func(*Command), line func(string)) *Process {
	t.Helper()
	c := Command{Name: "script", Path: "/bin/sh", Args: []string{"-c", script}}
	if change != nil {
		change(&c)
	}
	p, err := Start(c, quiet(), line)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel()
		if err := p.Stop(ended, 0); err != nil {
			t.Error(err)
		}
	})
	return p
}

func await(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the process did not end")
	}
}

func TestOutputAndExitStatus(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	p := shell(t, `echo one; echo two >&2; echo; printf 'a\033[31mb\377'; exit 7`, nil, func(s string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, s)
	})
	await(t, p)
	want := []string{"one", "two", "a [31mb?"}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(lines, want) || !slices.Equal(p.Tail(), want) {
		t.Errorf("lines %q, tail %q; want %q", lines, p.Tail(), want)
	}
	var exit *ExitError
	if !errors.As(p.Err(), &exit) || exit.State.ExitCode() != 7 || !slices.Equal(exit.Tail, want) {
		t.Fatalf("error = %#v", p.Err())
	}
	if text := exit.Error(); text != "script ended (exit status 7): one | two | a [31mb?" {
		t.Errorf("text = %q", text)
	}
}

func TestExitStatusZeroIsNoError(t *testing.T) {
	p := shell(t, "sleep 0.2; echo bye", nil, nil)
	if err := p.Err(); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	await(t, p)
	if err := p.Err(); err != nil {
		t.Error(err)
	}
}

func TestTailIsBounded(t *testing.T) {
	p := shell(t, `i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; head -c 100000 /dev/zero | tr '\0' x`, nil, nil)
	await(t, p)
	tail := p.Tail()
	last := strings.Repeat("x", lineBytes)
	if len(tail) != tailLines || tail[0] != "line 61" || tail[tailLines-2] != "line 99" || tail[tailLines-1] != last {
		t.Errorf("tail of %d lines: %q", len(tail), tail)
	}
}

func TestEnvironmentIsExact(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	t.Setenv("LISTEN_FDS", "1")
	for _, tc := range []struct {
		env, want []string
	}{
		{nil, []string{defaultPath, "TZ=UTC"}},
		{[]string{"A=1"}, []string{"A=1", defaultPath, "TZ=UTC"}},
		{[]string{"PATH=/bin:/usr/bin"}, []string{"PATH=/bin:/usr/bin", "TZ=UTC"}},
	} {
		p, err := Start(Command{Name: "env", Path: "env", Env: tc.env}, quiet(), nil)
		if err != nil {
			t.Fatal(err)
		}
		await(t, p)
		if got := p.Tail(); !slices.Equal(got, tc.want) {
			t.Errorf("env %q: got %q, want %q", tc.env, got, tc.want)
		}
	}
}

func TestFilesAndDirectory(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := shell(t, "pwd >&3", func(c *Command) { c.Files = []*os.File{w} }, nil)
	w.Close()
	await(t, p)
	if got, err := io.ReadAll(r); string(got) != "/\n" {
		t.Errorf("descriptor 3 got %q, %v", got, err)
	}
}

func TestOwnSession(t *testing.T) {
	p := shell(t, "ps -o sid= -o pgid= -p $$", nil, nil)
	await(t, p)
	pid := strconv.Itoa(p.PID())
	if got := strings.Fields(strings.Join(p.Tail(), " ")); !slices.Equal(got, []string{pid, pid}) {
		t.Errorf("session and group %q of pid %s", got, pid)
	}
}

func TestStop(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		grace  time.Duration
		want   syscall.Signal
	}{
		"asked":    {"echo up; exec sleep 60", 10 * time.Second, syscall.SIGTERM},
		"stubborn": {"trap '' TERM; echo up; while :; do sleep 1; done", 100 * time.Millisecond, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			up := make(chan struct{})
			p := shell(t, tc.script, nil, func(string) { close(up) })
			<-up
			if err := p.Stop(t.Context(), tc.grace); err != nil {
				t.Fatal(err)
			}
			var exit *ExitError
			if !errors.As(p.Err(), &exit) || exit.State.Sys().(syscall.WaitStatus).Signal() != tc.want {
				t.Errorf("ended by %v, want %v", p.Err(), tc.want)
			}
			if err := p.Stop(t.Context(), tc.grace); err != nil {
				t.Errorf("stopping it again: %v", err)
			}
		})
	}
}

func TestStopByContext(t *testing.T) {
	up := make(chan struct{})
	p := shell(t, "trap '' TERM; echo up; while :; do sleep 1; done", nil, func(string) { close(up) })
	<-up
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
}

// TestGroupEndsWithLeader: a process that a child left behind neither keeps
// its output open nor lives on.
func TestGroupEndsWithLeader(t *testing.T) {
	p := shell(t, "sleep 60 & echo $!; exit 0", nil, nil)
	await(t, p)
	left, err := strconv.Atoi(p.Tail()[0])
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if !proc.Alive(left) {
			return
		}
	}
	t.Errorf("process %d lives on", left)
}

func TestStartFails(t *testing.T) {
	for _, path := range []string{"/nonexistent/program", "no-such-program-anywhere"} {
		p, err := Start(Command{Name: "ghost", Path: path}, quiet(), nil)
		if err == nil || p != nil || !strings.HasPrefix(err.Error(), "starting ghost: ") {
			t.Errorf("Start(%q) = %v, %v", path, p, err)
		}
	}
}
