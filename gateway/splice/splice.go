// Package splice moves bytes between two connections for as long as both last, at the
// least cost for one on which nothing moves.
//
// Use it where a box holds many streams of others: fronts of onions, the SOCKS proxy. Do
// not use it to read what is said.
package splice

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Move copies from src to dst until src ends, and returns how many bytes that were. Between
// two sockets the kernel moves them (splice(2)), through a pipe that is held only while
// there are any. io.Copy does the same, but holds the pipe and a large stack for as long
// as it waits, and a box waits with a thousand streams: here what waits is as
// shallow as can be, and what works does so on a stack of its own.
//
// A dst that takes too long for what is moved at a time, 64 KiB, ends it with
// os.ErrDeadlineExceeded; a patience of 0 has no end. What is no socket gets
// all the time.
func Move(dst, src net.Conn, patience time.Duration) (moved int64, err error) {
	m := newMotion(dst, src, patience)
	if m == nil {
		return copyAll(dst, src)
	}
	look := m.ask
	for {
		if err := m.from.Read(look); err != nil {
			return m.moved, err
		}
		if !m.ended && m.err == nil {
			OnOwnStack(m.burst)
		}
		if m.ended || m.err != nil {
			return m.moved, m.err
		}
	}
}

// motion is one direction. It is not on the stack that waits, and neither are its parts
// that work, which are not inlined for that.
type motion struct {
	to, from syscall.RawConn
	before   func() error // is called each time that to has to take some
	moved    int64
	err      error
	ended    bool
	seen     byte // what ask has looked at
}

//go:noinline
func newMotion(dst, src net.Conn, patience time.Duration) *motion {
	m := &motion{from: rawConn(src), to: rawConn(dst), before: hurry(dst, patience)}
	if m.from == nil || m.to == nil {
		return nil
	}
	return m
}

//go:noinline
func copyAll(dst io.Writer, src io.Reader) (int64, error) { return io.Copy(dst, src) }

// rawConn returns nil for what is no socket.
func rawConn(c net.Conn) syscall.RawConn {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// OnOwnStack runs f and waits. A goroutine keeps the stack that it once needed,
// so one that is going to wait for long lets others do what goes deep. A panic
// is passed on.
//
//go:noinline
func OnOwnStack(f func()) {
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	if p := <-done; p != nil {
		panic(p)
	}
}

// ask asks whether there is something to read, without taking it: the end and a failure
// are known then, and need nobody who works. It is called with the socket's number and
// returns false to wait. The call is bare (recv(2)), as what is around it elsewhere is deep.
func (m *motion) ask(fd uintptr) bool {
	n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&m.seen)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	switch {
	case errno == unix.EAGAIN:
		return false
	case errno == unix.EINTR: // it is asked again
	case errno != 0:
		m.err = errno
	case n == 0:
		m.ended = true
	}
	return true
}

// hurry returns what gives dst its time again.
func hurry(dst net.Conn, patience time.Duration) func() error {
	if patience == 0 {
		return func() error { return nil }
	}
	return func() error { return dst.SetWriteDeadline(time.Now().Add(patience)) }
}

// littleBytes is so little that there was no more: the next look is for whether there is any.
const littleBytes = 4 << 10

// burst moves what there is.
func (m *motion) burst() {
	p, err := takePipe()
	first := true
	for err == nil {
		var n int
		n, err = fill(m.from, p)
		if err == unix.EAGAIN || err == nil && n == 0 {
			m.ended = err == nil
			if err = nil; !m.ended && first {
				err = m.around()
			}
			break
		}
		first = false
		if err == nil {
			err = m.before()
		}
		if err == nil {
			err = drain(m.to, p, n)
		}
		if err == nil {
			m.moved += int64(n)
		}
		if n < littleBytes {
			break
		}
	}
	if m.err = err; err == nil { // else what is left in the pipe is lost with it
		pipes.Put(p)
	}
}

// around moves what splice(2) does not take though it is there, which is what follows an
// urgent byte of TCP (RFC 6093). That byte itself has no place in a stream: read(2) leaves
// it out. Without this one such byte has m look for what it does not get without end.
//
//go:noinline
func (m *motion) around() error {
	var failed error
	b := make([]byte, littleBytes)
	err := m.from.Read(func(fd uintptr) bool {
		var n int
		n, failed = unix.Read(int(fd), b)
		b = b[:max(n, 0)]
		return true
	})
	if failed == unix.EAGAIN || failed == unix.EINTR {
		failed = nil
	}
	if err = cmp.Or(err, failed); err == nil && len(b) > 0 {
		err = m.before()
	}
	if err != nil || len(b) == 0 {
		return err
	}
	m.moved += int64(len(b))
	return write(m.to, b)
}

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

// fill takes bytes into a pipe; 0 of them are the end.
func fill(from syscall.RawConn, p *pipe) (n int, err error) {
	var failed error
	err = from.Read(func(fd uintptr) bool {
		n, failed = splice(int(fd), p.write, pipeBytes)
		return true
	})
	return n, cmp.Or(err, failed)
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
