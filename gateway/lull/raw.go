package lull

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// read is read(2) of a descriptor that does not block. The error is EAGAIN if nothing is there.
func read(fd uintptr, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if errno == 0 {
			return int(n), nil
		}
		if !errors.Is(errno, unix.EINTR) {
			return 0, errno
		}
	}
}

// told is epoll_pwait(2) that waits for nothing: whether an epoll instance has something to tell, which it then has told.
func told(epoll uintptr) (int, error) {
	var event unix.EpollEvent
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, epoll, uintptr(unsafe.Pointer(&event)), 1, 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
