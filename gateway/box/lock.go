// Package box is the machine that a daemon has to itself: the lock, the directories
// of its state, its virtual addresses, and what of it is in a backup.
package box

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tunic/gateway/config"
)

// Lock is held as long as a daemon runs on a root. The kernel lets go of it
// when the process ends, however it ends, so it cannot be stale.
type Lock struct{ f *os.File }

// ErrRunning is in the error of TakeLock when a daemon holds the lock.
var ErrRunning = errors.New("a tunic daemon runs already")

// TakeLock takes the lock of a root, or says who holds it.
func TakeLock(p config.Paths) (*Lock, error) {
	if err := os.MkdirAll(p.Run, 0o755); err != nil {
		return nil, fmt.Errorf("making the directory for sockets: %w", err)
	}
	f, err := os.OpenFile(p.Lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			who := make([]byte, 20)
			n, _ := f.Read(who)
			return nil, fmt.Errorf("%w: process %s on %s", ErrRunning, strings.TrimSpace(string(who[:n])), p.Root)
		}
		return nil, fmt.Errorf("taking the lock %s: %w", p.Lock(), err)
	}
	l := &Lock{f}
	if err := l.Claim(); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

// File is the open lock: whoever has a copy of it holds the lock too.
func (l *Lock) File() *os.File { return l.f }

// InheritLock is the lock of a daemon that hands it to this one. Until Claim it says
// that the other has it.
func InheritLock(f *os.File) *Lock { return &Lock{f} }

// Claim notes that this process has the lock.
func (l *Lock) Claim() error {
	if err := errors.Join(l.f.Truncate(0), write(l.f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	return nil
}

func write(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// Release lets the next daemon start.
func (l *Lock) Release() { l.f.Close() }
