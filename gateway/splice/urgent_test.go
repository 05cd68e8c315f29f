package splice

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A byte out of band (TCP's urgent data) is nothing that splice(2) takes, and stands before
// what it would: it must neither stop a stream nor have this side look for it without end.
func TestUrgentByte(t *testing.T) {
	device, src := pair(t)
	dst, reached := pair(t)
	x := tie(src, dst, Options{})
	raw, err := device.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Send(int(fd), []byte{'!'}, unix.MSG_OOB) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	device.Write([]byte("behind it"))
	time.Sleep(50 * time.Millisecond)
	runtime.GC() // what others have left is not collected meanwhile
	before := processorTime(t)
	time.Sleep(300 * time.Millisecond)
	if used := processorTime(t) - before; used > 100*time.Millisecond {
		t.Errorf("%v of processor in 300 ms in which nothing came", used)
	}
	said := make([]byte, 100)
	if n, err := reached.Read(said); string(said[:n]) != "behind it" {
		t.Errorf("%q, %v", said[:n], err)
	}
	device.Close()
	reached.Close()
	if up, _ := x.wait(t); up.Err != nil {
		t.Error(up.Err)
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
