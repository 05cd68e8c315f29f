package supervise

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pipe reads from a file that does not block, and for which Go's runtime waits. It does not tell the runtime of
// each read, as os.File does: upon that the runtime's watcher begins to look around, three or four times for
// each line that tor says (see gateway/lull).
type pipe struct{ raw syscall.RawConn }

// Read implements io.Reader.
func (p pipe) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	waited := p.raw.Read(func(fd uintptr) bool {
		n, err = read(fd, b)
		return !errors.Is(err, unix.EAGAIN)
	})
	switch {
	case waited != nil:
		return 0, waited
	case err == nil && n == 0:
		return 0, io.EOF
	}
	return n, err
}

// read is read(2).
func read(fd uintptr, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if errno == 0 {
			return int(n), nil
		}
		if !errors.Is(errno, unix.EINTR) {
			return 0, os.NewSyscallError("read", errno)
		}
	}
}

// quietly is a file's content, read so.
func quietly(f *os.File) io.Reader {
	if raw, err := f.SyscallConn(); err == nil && f.SetReadDeadline(time.Time{}) == nil { // a file that the runtime waits for
		return pipe{raw}
	}
	return f
}
