package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// newTerminal returns a terminal as a program sees it.
func newTerminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	n, err2 := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestInputIsHidden(t *testing.T) {
	f := newTerminal(t)
	shown := func() bool {
		s, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return s.Lflag&unix.ECHO != 0
	}
	if !isTerminal(f) || !shown() {
		t.Fatal("this is no terminal, or it shows nothing to begin with")
	}
	show, err := hideInput(f)
	if err != nil || shown() {
		t.Errorf("what is typed is shown: %v", err)
	}
	if show(); !shown() {
		t.Error("the terminal stays silent")
	}
}

// Ctrl-C ends a question that nobody answers.
func TestQuestionsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, w := io.Pipe()
	defer w.Close()
	if _, err := readLine(ctx, bufio.NewReader(silent)); !errors.Is(err, context.Canceled) {
		t.Errorf("readLine = %v", err)
	}
}
