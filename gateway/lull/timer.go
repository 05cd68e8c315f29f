package lull

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Timer is something to wait for, again and again, that may be called off. One goroutine
// waits at a time; Wake and Close may be called from any.
type Timer struct {
	file *os.File
	raw  syscall.RawConn
	woke atomic.Bool // Wake was called, and no Wait has ended by it
}

// NewTimer returns a timer, or what the kernel has against it.
func NewTimer() (*Timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	t := &Timer{file: os.NewFile(uintptr(fd), "timer")}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		t.file.Close()
		return nil, err
	}
	return t, nil
}

// Wait waits for some time, or until Wake is called, or was since the last Wait. After Close
// the error is os.ErrClosed.
func (t *Timer) Wait(d time.Duration) error {
	err := t.set(d)
	if err != nil || t.woke.Swap(false) {
		return err
	}
	err = t.raw.Read(func(fd uintptr) bool {
		_, err := read(fd, make([]byte, 8))
		return !errors.Is(err, unix.EAGAIN)
	})
	t.woke.Store(false)
	if err != nil { // t.file is closed
		return os.ErrClosed
	}
	return nil
}

// Wake ends a Wait, or the next one.
func (t *Timer) Wake() {
	t.woke.Store(true)
	_ = t.set(0) // closed: nobody waits
}

// Close ends the timer, and a Wait.
func (t *Timer) Close() error { return t.file.Close() }

// set has the time come after d, at once if that is none. What came before is forgotten.
func (t *Timer) set(d time.Duration) error {
	next := unix.ItimerSpec{Value: unix.NsecToTimespec(max(d, 1).Nanoseconds())}
	var errno syscall.Errno
	err := t.raw.Control(func(fd uintptr) {
		_, _, errno = syscall.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&next)), 0, 0, 0)
	})
	if err != nil {
		return os.ErrClosed
	}
	if errno != 0 {
		return os.NewSyscallError("timerfd_settime", errno)
	}
	return nil
}
