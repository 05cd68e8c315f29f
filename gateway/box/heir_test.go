package box

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tunic/gateway/config"
)

// The lock goes from one daemon to another without a moment in which nobody has it.
func TestLockIsHandedOn(t *testing.T) {
	p := config.NewPaths(t.TempDir())
	old, err := TakeLock(p)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(old.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	heir := InheritLock(os.NewFile(uintptr(fd), "lock"))
	old.Release() // it has ended
	if _, err := TakeLock(p); !errors.Is(err, ErrRunning) {
		t.Errorf("a third daemon: %v", err)
	}
	if err := heir.Claim(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(p.Lock()); err != nil || strings.TrimSpace(string(text)) == "" {
		t.Errorf("the lock says %q, %v", text, err)
	}
	heir.Release()
	again, err := TakeLock(p)
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
}
