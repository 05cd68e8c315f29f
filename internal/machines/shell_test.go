package machines

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startShell runs the commands of the unit, and what a line says before them.
func startShell(t *testing.T) *shell {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "line"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	here, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
	there, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := there.(*net.UnixConn).File()
	if err = errors.Join(err, there.Close()); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("sh", "-c", "printf 'a boot loader'; echo; echo "+shellReady+"; exec sh")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s, err := newShell(t.Context(), here, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestShellRunsCommands(t *testing.T) {
	s := startShell(t)
	for _, c := range []struct {
		args        []string
		out, errout string
		code        int
	}{
		{[]string{"printf", `%s|`, "it's", "$HOME `id`", "a\nb"}, "it's|$HOME `id`|a\nb|", "", 0},
		{[]string{"sh", "-c", "echo no >&2; exit 3"}, "", "no\n", 3},
		{[]string{"echo", "answer 4: 0"}, "answer 4: 0\n", "", 0},
		{[]string{"cat"}, "", "", 0}, // the line is not its input
		{[]string{"head", "-c", "300000", "/dev/zero"}, strings.Repeat("\x00", 300000), "", 0},
	} {
		r, err := s.exec(t.Context(), c.args)
		if err != nil || r.Stdout != c.out || r.Stderr != c.errout || r.Code != c.code {
			t.Errorf("%q ended with %d, %v; %d bytes were printed, and %q", c.args, r.Code, err, len(r.Stdout), r.Stderr)
		}
	}
}

// A command that does not end in time is an error, and the next answer is not
// taken for its own.
func TestShellIsNotWaitedForEndlessly(t *testing.T) {
	s := startShell(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r, err := s.exec(ctx, []string{"sh", "-c", "sleep 0.3; echo late"}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ended with %v, %v", r, err)
	}
	if r, err := s.exec(t.Context(), []string{"echo", "next"}); err != nil || r.Stdout != "next\n" {
		t.Errorf("the next printed %q, %v", r.Stdout, err)
	}
}
