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
	r := reads{&pausing{Conn: ours, hurry: make(chan struct{}, 1)}, tors, make(chan string, 100)}
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
