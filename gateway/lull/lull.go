// Package lull reads what comes by itself, piece by piece, without being woken by each piece.
//
// Go's runtime is told of all that arrives on a file that it watches (epoll(7), edge by
// edge), also while nobody reads: each time a thread wakes, finds nobody to run, and
// looks around before it sleeps again. A thread that waits in read(2) is worse: for as long
// as it is not sure that it will stay there (10 ms), another one looks after it every 20
// microseconds. A Reader is woken once for each time that somebody waits.
//
// Two more things of the runtime cost a process that rests more than what they are for. With a call to the kernel that
// may last, its watcher (sysmon) begins to look around; what returns at once is asked without telling the runtime
// (syscall.RawSyscall). And a time.Timer is waited for in whole milliseconds by the thread that is to
// run what it is for, but to the nanosecond by that watcher, which looks every 20 microseconds in between: a
// dozen times for each timer. A Timer is a file (timerfd_create(2)), and wakes one thread once.
package lull

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Reader reads from a descriptor of which nobody is told while nobody reads. One goroutine
// reads at a time; Close may be called from any.
type Reader struct {
	poll  *os.File        // an epoll instance that tells of fd, once each time it is armed; the runtime watches it
	epoll syscall.RawConn // the same

	mu sync.Mutex
	fd int // -1: closed
}

// New returns a reader of a pipe or socket that does not block (O_NONBLOCK). The
// descriptor is the reader's from then on, also after an error; Go's runtime must not watch it.
func New(fd int) (*Reader, error) {
	r, err := watch(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return r, nil
}

func watch(fd int) (*Reader, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// Not blocking, the runtime takes it.
	err = errors.Join(os.NewSyscallError("fcntl", unix.SetNonblock(epoll, true)),
		os.NewSyscallError("epoll_ctl", unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, once(fd, 0))))
	if err != nil {
		_ = unix.Close(epoll)
		return nil, err
	}
	r := &Reader{poll: os.NewFile(uintptr(epoll), "epoll"), fd: fd}
	if r.epoll, err = r.poll.SyscallConn(); err != nil {
		r.poll.Close()
		return nil, err
	}
	return r, nil
}

// once asks to be told of these events of a descriptor one time.
func once(fd int, events uint32) *unix.EpollEvent {
	return &unix.EpollEvent{Events: events | unix.EPOLLONESHOT, Fd: int32(fd)}
}

// Read implements io.Reader: it returns what is there, or waits until there is something.
// After Close the error is os.ErrClosed.
func (r *Reader) Read(b []byte) (int, error) {
	for {
		n, err := r.take(b)
		if !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
		if err := r.wait(); err != nil {
			return 0, err
		}
	}
}

// take reads what is there; the error is EAGAIN if that is nothing.
func (r *Reader) take(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return 0, os.ErrClosed
	}
	n, err := read(uintptr(r.fd), b)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return 0, err
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// wait waits until there is something to read, or the end.
func (r *Reader) wait() error {
	armed, failed := false, error(nil)
	err := r.epoll.Read(func(epoll uintptr) bool {
		if !armed {
			armed, failed = true, r.arm(int(epoll))
		}
		if failed != nil {
			return true
		}
		n, err := told(epoll)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if err != nil { // r.poll is closed
		return os.ErrClosed
	}
	return failed
}

// arm has the next thing that comes told, or what is there already.
func (r *Reader) arm(epoll int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return os.ErrClosed
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(epoll, unix.EPOLL_CTL_MOD, r.fd, once(r.fd, unix.EPOLLIN|unix.EPOLLRDHUP)))
}

// Close closes the descriptor, and ends a Read.
func (r *Reader) Close() error {
	r.mu.Lock()
	fd := r.fd
	r.fd = -1
	r.mu.Unlock() // a Read that is about to wait takes it
	if fd < 0 {
		return os.ErrClosed
	}
	return errors.Join(r.poll.Close(), os.NewSyscallError("close", unix.Close(fd)))
}
