package lull

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pipe returns a reader, and the other end of its pipe.
func pipe(t *testing.T) (*Reader, *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	write := os.NewFile(uintptr(fds[1]), "pipe")
	t.Cleanup(func() { write.Close() })
	r, err := New(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, write
}

func says(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// What comes before a reading, and what it waits for, is read, and so is the end.
func TestReadsAll(t *testing.T) {
	r, w := pipe(t)
	b := make([]byte, 64)
	for range 20 {
		says(t, w, "one")
		says(t, w, "two")
		if n, err := r.Read(b); string(b[:n]) != "onetwo" || err != nil {
			t.Fatalf("read %q, %v", b[:n], err)
		}
		time.AfterFunc(2*time.Millisecond, func() { io.WriteString(w, "late") })
		if n, err := r.Read(b); string(b[:n]) != "late" || err != nil {
			t.Fatalf("read %q, %v", b[:n], err)
		}
	}
	time.AfterFunc(2*time.Millisecond, func() { w.Close() })
	if n, err := r.Read(b); n != 0 || err != io.EOF {
		t.Errorf("at the end %d, %v", n, err)
	}
}

func TestCloseEndsAReading(t *testing.T) {
	r, _ := pipe(t)
	ended := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 1))
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond) // it waits, most likely
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("the reading ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a reading outlives its reader")
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close a reading gives %v", err)
	}
	if err := r.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a second Close gives %v", err)
	}
}

func TestWhatCannotBeWatched(t *testing.T) {
	f, err := os.Open(os.DevNull) // a file without poll(2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(fd); !errors.Is(err, unix.EPERM) {
		t.Errorf("a reader of %s: %v", os.DevNull, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("the descriptor is still there: %v", err)
	}
}

// While nobody reads, what comes wakes nobody.
func TestALullIsSilent(t *testing.T) {
	r, w := pipe(t)
	b := make([]byte, 1<<12)
	time.AfterFunc(2*time.Millisecond, func() { io.WriteString(w, "x") })
	if _, err := r.Read(b); err != nil { // which has armed it once
		t.Fatal(err)
	}
	// What the runtime would be told is told by this too: r.poll is ready to read.
	told := func() bool {
		var ready bool
		err := r.epoll.Control(func(epoll uintptr) {
			fds := []unix.PollFd{{Fd: int32(epoll), Events: unix.POLLIN}}
			n, err := unix.Poll(fds, 0)
			ready = n > 0 || err != nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ready
	}
	says(t, w, "more")
	if told() {
		t.Error("what came while nobody waited was told")
	}
	if n, err := r.Read(b); string(b[:n]) != "more" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
}
