package tor

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// reads hands on what is read of a pausing connection, with when that was.
type reads struct {
	p    *pausing
	tor  net.Conn
	came chan string
}

func newReads(t *testing.T) reads {
	t.Helper()
	ours, tors := net.Pipe()
	r := reads{newPausing(ours), tors, make(chan string, 100)}
	t.Cleanup(func() { // t is the bubble's
		ours.Close()
		tors.Close()
		time.Sleep(eventPause) // a pause that has begun ends
	})
	go func() {
		b := make([]byte, 64)
		for {
			n, err := r.p.Read(b)
			if err != nil {
				return
			}
			r.came <- string(b[:n])
		}
	}()
	return r
}

// says has tor say something, and returns after how long it was read.
func (r reads) says(t *testing.T, text string) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, err := r.tor.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if got := <-r.came; got != text {
		t.Fatalf("%q was read, want %q", got, text)
	}
	return time.Since(begin)
}

// Events that follow each other closely are read four times a second, others at once.
func TestEventsAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReads(t)
		for range 5 {
			if d := r.says(t, "answer"); d != 0 {
				t.Errorf("before rest an answer was read after %v", d)
			}
		}
		r.p.rest()
		time.Sleep(time.Minute)
		for range 5 {
			if d := r.says(t, "alone"); d != 0 {
				t.Errorf("an event that came alone was read after %v", d)
			}
			time.Sleep(2 * eventPause)
		}
		begin, n := time.Now(), 0
		for time.Since(begin) < 10*time.Second {
			r.says(t, "one of many")
			n++
			time.Sleep(time.Millisecond)
		}
		if most := int(10*time.Second/eventPause) + 2; n > most {
			t.Errorf("%d readings in ten seconds, want at most %d", n, most)
		}
	})
}

// Who asks for all there is does not wait for a pause.
func TestHurriedEventsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReads(t)
		r.p.rest()
		r.says(t, "first")
		r.says(t, "second") // a pause follows
		r.p.hasten()
		for range 3 {
			if d := r.says(t, "third"); d != 0 {
				t.Errorf("while somebody waited an event was read after %v", d)
			}
		}
		time.Sleep(hurryTime + time.Millisecond)
		r.says(t, "fourth")
		r.says(t, "fifth")
		if d := r.says(t, "sixth"); d == 0 {
			t.Error("nothing pauses any more after somebody has waited once")
		}
	})
}

// While nobody reads, what comes wakes nobody: the kernel has it. A reading that waits ends
// with the connection.
func TestAPauseIsSilent(t *testing.T) {
	path := t.TempDir() + "/c"
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ours, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	tors, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer tors.Close()
	c := newController(ours)
	c.pause.rest()
	if _, err := tors.Write([]byte("650 ONE\r\n650 TWO\r\n")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ONE", "TWO"} {
		if got, err := c.nextEvent(); got != want || err != nil {
			t.Errorf("event %q, %v; want %q", got, err, want)
		}
	}
	raw, err := ours.(*net.UnixConn).SyscallConn()
	if err == nil {
		err = raw.Control(func(uintptr) {})
	}
	if err == nil {
		t.Error("the runtime still waits for the connection")
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c.nextEvent()
		ended <- err
	}()
	time.Sleep(50 * time.Millisecond) // it waits, most likely
	c.close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("an event came by a connection that was closed")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a reading outlives its connection")
	}
	if _, err := tors.Read(make([]byte, 1)); err == nil {
		t.Error("tor does not see that the connection has ended")
	}
	c.close() // again, of a file that is closed
}
