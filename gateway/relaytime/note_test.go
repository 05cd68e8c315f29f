package relaytime

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestNote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "note")
	if _, err := ReadNote(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	n := Note{Start: told, Error: time.Second, Count: 5, Asked: 9, Boot: time.Minute}
	if err := n.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadNote(path)
	if err != nil || got != n {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "{", `{"start": 1}`} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadNote(path); err == nil || got.Fresh(time.Hour) {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

// A note says less the older it is, and in the end nothing.
func TestNoteGetsOld(t *testing.T) {
	n := Note{Start: told, Error: time.Second, Count: 5, Asked: 9, Boot: time.Hour}
	if got := n.Now(3 * time.Hour); !got.Equal(told.Add(3 * time.Hour)) {
		t.Errorf("it is %s", got)
	}
	if got := n.MaxError(time.Hour + 20000*time.Second); got != 2*time.Second {
		t.Errorf("wrong by %s", got)
	}
	for boot, want := range map[time.Duration]bool{0: false, time.Hour: true, 26 * time.Hour: true, 27 * time.Hour: false} {
		if n.Fresh(boot) != want {
			t.Errorf("after %s: fresh is %v", boot, !want)
		}
	}
	if (Note{Boot: 0}).Fresh(time.Minute) {
		t.Error("nobody said so, and it is good")
	}
}

// The directory is tor's, which may have been taken over: a pipe there is not waited for.
func TestNoteIsAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "note")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan *Note, 1)
	go func() { read <- Newest(path, time.Hour) }()
	select {
	case n := <-read:
		if n != nil {
			t.Errorf("it says %+v", n)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("reading it waits")
	}
}
