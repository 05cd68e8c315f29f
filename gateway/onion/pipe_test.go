package onion

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// soon fails the test if do waits for anybody.
func soon(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { do(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s waits", what)
	}
}

// Whoever reads what is in a key directory does not wait for a tor that was taken over and has
// put a pipe in place of a file or a directory.
func TestPipesOfATorThatWasTakenOver(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, hostnameFile), 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, "reading the hostname", func() {
		if name := Hostname(dir); name != "" {
			t.Errorf("it is %q", name)
		}
	})
	clients := filepath.Join(dir, clientsDir)
	if err := errors.Join(os.Mkdir(clients, 0o700), unix.Mkfifo(filepath.Join(clients, "a"+clientSuffix), 0o600)); err != nil {
		t.Fatal(err)
	}
	soon(t, "reading a client", func() {
		if _, err := ForeignClients(dir); err == nil {
			t.Error("a pipe is a client")
		}
	})
	if err := errors.Join(os.RemoveAll(clients), unix.Mkfifo(clients, 0o600)); err != nil {
		t.Fatal(err)
	}
	soon(t, "looking for clients", func() { _, _ = ForeignClients(dir) })
}

// The same when the pipe comes between the look at a file and its opening.
func TestPipeAfterTheLook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := EnsureKeys(dir, os.Getuid(), os.Getgid()); err != nil {
		t.Fatal(err)
	}
	secret, pipe := filepath.Join(dir, secretFile), filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Second)
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		for time.Now().Before(end) {
			_ = unix.Renameat2(unix.AT_FDCWD, secret, unix.AT_FDCWD, pipe, unix.RENAME_EXCHANGE)
		}
	}()
	soon(t, "reading the key", func() {
		for time.Now().Before(end) {
			_, _ = Secret(dir, os.Getuid(), os.Getgid())
		}
	})
	<-swapped
}
