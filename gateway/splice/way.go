package splice

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// way is one direction of a Tie. It is with the poller (idle) or with one goroutine, never with both.
type way struct {
	tie      *Tie
	src, dst net.Conn
	from, to int // their numbers, which are theirs until the Tie has ended

	mu     sync.Mutex
	idle   bool
	wide   bool        // see widen
	result Way         // for whoever has it
	late   *time.Timer // that cuts the other way; for who ends this one
}

// wait gives the way to the poller.
func (w *way) wait() {
	w.mu.Lock()
	err := w.tie.why(nil)
	if err == nil {
		w.idle = true
		if err = waiting.add(w); err != nil {
			w.idle = false
		}
	}
	w.mu.Unlock()
	if err != nil {
		w.end(err)
	}
}

// take takes the way from the poller, and reports whether it was there.
func (w *way) take() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.idle
	if was {
		w.leave()
	}
	return was
}

// leave is for who has locked an idle way.
func (w *way) leave() {
	w.idle = false
	waiting.forget(w, true)
}

// littleBytes is what the poller moves itself.
const littleBytes = 4 << 10

// ready is called by the poller when there is something to read, or the end: it moves a
// little, through buf, and gives the way to a goroutine if there is more, or if dst does
// not take it.
func (w *way) ready(buf []byte) {
	w.mu.Lock()
	if !w.idle {
		w.mu.Unlock()
		return
	}
	n, err := unix.Read(w.from, buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		w.mu.Unlock()
		return
	}
	if n <= 0 {
		w.idle = false
		waiting.forget(w, w.tie.open.Load() == 2) // of the last one the socket is closed at once
		w.mu.Unlock()
		w.end(err)
		return
	}
	sent, _ := unix.Write(w.to, buf[:n]) // a failure is met again by the goroutine
	w.result.Moved += int64(max(sent, 0))
	if sent == n && n < len(buf) {
		w.mu.Unlock()
		return
	}
	w.leave()
	w.mu.Unlock()
	go w.work(bytes.Clone(buf[max(sent, 0):n]))
}

// restAfter is for how long nothing has to come until a goroutine leaves the way to the
// poller. A stream that is busy keeps its goroutine by that.
const restAfter = 50 * time.Millisecond

// work moves what there is, left first, until nothing comes.
func (w *way) work(left []byte) {
	to := rawConn(w.dst)
	w.widen()
	err := w.hurry()
	if err == nil && len(left) > 0 {
		err = write(to, left)
		w.result.Moved += int64(len(left))
	}
	ended, more := false, true
	for err == nil && !ended && more {
		if ended, err = w.burst(to); err == nil && !ended {
			more, err = w.await()
		}
	}
	if err == nil && !ended {
		w.wait()
		return
	}
	w.end(w.tie.why(err))
}

// widen sets what may wait for near, once.
func (w *way) widen() {
	if w == &w.tie.ways[1] && w.tie.o.Buffer > 0 && !w.wide {
		w.wide = true
		_ = unix.SetsockoptInt(w.to, unix.SOL_SOCKET, unix.SO_SNDBUF, w.tie.o.Buffer) // a smaller one works too
	}
}

// hurry gives dst its time again.
func (w *way) hurry() error {
	if patience := w.tie.o.Patience; patience > 0 && w == &w.tie.ways[0] {
		if err := w.dst.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		return w.tie.why(nil) // a cut may have set another before
	}
	return nil
}

// await waits a moment for something to read.
func (w *way) await() (more bool, err error) {
	if err = w.src.SetReadDeadline(time.Now().Add(restAfter)); err == nil {
		err = w.tie.why(nil)
	}
	if err != nil {
		return false, err
	}
	err = rawConn(w.src).Read(peek)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil // wait looks for a cut
	}
	return err == nil, err
}

// peek asks whether there is something to read, or the end or a failure, without taking it.
func peek(fd uintptr) bool {
	var seen byte
	_, _, errno := unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&seen)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return errno != unix.EAGAIN
}

// burst moves all that there is.
func (w *way) burst(to syscall.RawConn) (ended bool, err error) {
	p, err := takePipe()
	if err != nil {
		return false, err
	}
	for first := true; ; first = false {
		n, err := splice(w.from, p.write, pipeBytes)
		switch {
		case err == unix.EAGAIN && first:
			pipes.Put(p)
			return w.around(to)
		case err == unix.EAGAIN || err == nil && n == 0:
			pipes.Put(p)
			return err == nil, nil
		}
		if err == nil {
			err = w.hurry()
		}
		if err == nil {
			err = drain(to, p, n)
		}
		if err != nil {
			return false, err // what is left in the pipe is lost with it
		}
		w.result.Moved += int64(n)
	}
}

// around moves what splice(2) does not take though it is there, which is what follows an
// urgent byte of TCP (RFC 6093). That byte itself has no place in a stream: read(2) leaves
// it out. Without this one such byte has the way look for what it does not get without end.
func (w *way) around(to syscall.RawConn) (ended bool, err error) {
	b := make([]byte, littleBytes)
	n, err := unix.Read(w.from, b)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return false, nil
	case err != nil || n == 0:
		return err == nil, err
	}
	if err = w.hurry(); err == nil {
		err = write(to, b[:n])
	}
	w.result.Moved += int64(n)
	return false, err
}
