package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A draft that is written piece by piece past what stays in memory is whole, and
// its file goes with it.
func TestLongDraftInPieces(t *testing.T) {
	s := open(t, t.TempDir())
	d := s.Draft()
	var want bytes.Buffer
	for i := range 2000 {
		piece := fmt.Appendf(nil, "%0300d\r\n", i)
		want.Write(piece)
		if _, err := d.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	r, err := d.Reader()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want.Bytes()) || d.Size() != int64(want.Len()) {
		t.Errorf("%d bytes of %d are there, %v", len(got), want.Len(), err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close its file is open: %v", err)
	}
	if err := s.Draft().Close(); err != nil {
		t.Errorf("closing a short draft: %v", err)
	}
}

// No error names a file: its name is a message's, and errors are logged.
func TestErrorsNameNoFile(t *testing.T) {
	err := classify(&fs.PathError{Op: "open", Path: "/secret", Err: os.ErrPermission})
	if strings.Contains(err.Error(), "secret") || !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
	if err := classify(io.ErrShortWrite); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}

// What cannot be cleared away at the start is an error, and no spool is opened
// over it.
func TestOpenFails(t *testing.T) {
	old := time.Now().AddDate(0, 0, -keepDays-2).Format(day)
	for what, path := range map[string]string{
		"a day that cannot be removed":   filepath.Join("seen", old, "x"),
		"a draft that cannot be removed": filepath.Join("queue", ".draft-1", "x"),
		"a message that cannot be moved": filepath.Join("bad", "broken-message.json", "x"),
	} {
		dir := t.TempDir()
		open(t, dir).Close()
		if err := os.MkdirAll(filepath.Join(dir, path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "queue", "broken-message.json"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil {
			s.Close()
			t.Errorf("%s: it was opened", what)
		}
	}
}

// All days that do not count go, and a day's file is opened once.
func TestDaysOfTheLedger(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close()
	now := time.Now()
	for n := keepDays + 2; n < keepDays+5; n++ {
		if err := os.WriteFile(filepath.Join(dir, "seen", now.AddDate(0, 0, -n).Format(day)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, dir).Ledger()
	if left, _ := os.ReadDir(l.dir); len(left) != 0 {
		t.Errorf("%d days are left", len(left))
	}
	if err := os.MkdirAll(filepath.Join(l.dir, now.AddDate(0, 0, -keepDays-2).Format(day), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.forget(now); err == nil {
		t.Error("a day that cannot be removed is no error")
	}
	first, err := l.today(now.AddDate(0, 0, -keepDays)) // none but that day is too old by then
	if again, _ := l.today(now.AddDate(0, 0, -keepDays)); err != nil || again != first {
		t.Errorf("the day was opened again, %v", err)
	}
}
