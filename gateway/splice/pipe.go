package splice

import (
	"cmp"
	"fmt"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

func write(to syscall.RawConn, b []byte) error {
	var failed error
	err := to.Write(func(fd uintptr) bool {
		for len(b) > 0 && failed == nil {
			var n int
			n, failed = unix.Write(int(fd), b)
			b = b[max(n, 0):]
			if failed == unix.EINTR {
				failed = nil
			}
		}
		if failed == unix.EAGAIN {
			failed = nil
			return false
		}
		return true
	})
	return cmp.Or(err, failed)
}

// drain passes on what is in the pipe.
func drain(to syscall.RawConn, p *pipe, left int) error {
	var failed error
	err := to.Write(func(fd uintptr) bool {
		for left > 0 && failed == nil {
			var n int
			n, failed = splice(p.read, int(fd), left)
			left -= n
		}
		if failed == unix.EAGAIN {
			failed = nil
			return false
		}
		return true
	})
	runtime.KeepAlive(p)
	return cmp.Or(err, failed)
}

func splice(from, to, bytes int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, bytes, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return int(max(n, 0)), err
		}
	}
}

// pipeBytes is what a new pipe holds (pipe(7)); larger ones count against what
// the kernel lets one user have.
const pipeBytes = 64 << 10

// pipe is what splice(2) needs between two sockets.
type pipe struct{ read, write int }

// pipes are empty ones, for whoever needs one next. The collector closes those
// that nobody has needed for a while.
var pipes sync.Pool

func takePipe() (*pipe, error) {
	if p, ok := pipes.Get().(*pipe); ok {
		return p, nil
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	p := &pipe{fds[0], fds[1]}
	runtime.AddCleanup(p, func(fds [2]int) { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) }, fds)
	return p, nil
}
