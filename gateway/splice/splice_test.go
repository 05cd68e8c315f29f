package splice

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunic/internal/sockets"
)

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	near, far = sockets.Pair(t)
	for _, c := range []net.Conn{near, far} {
		c.SetDeadline(time.Now().Add(time.Minute))
	}
	return near, far
}

// tied is a Tie and what it has said at its end.
type tied struct {
	*Tie
	over chan [2]Way
}

// tie starts a Tie.
func tie(near, far net.Conn, o Options) tied {
	x := tied{over: make(chan [2]Way, 2)}
	o.Over = func(up, down Way) { x.over <- [2]Way{up, down} }
	x.Tie = New(near, far, o)
	x.Start()
	return x
}

// wait returns how it ended, and fails the test if it does not or does twice.
func (x tied) wait(t *testing.T) (up, down Way) {
	t.Helper()
	select {
	case got := <-x.over:
		select {
		case <-x.over:
			t.Error("it was over twice")
		case <-time.After(5 * time.Millisecond):
		}
		return got[0], got[1]
	case <-time.After(time.Minute):
		t.Fatal("it has no end")
		return
	}
}

var pieces = map[string][]int{
	"nothing": {}, "a byte": {1}, "little": {littleBytes - 1}, "just not little": {littleBytes}, "more": {littleBytes + 1, 5, 1},
	"a pipe": {pipeBytes}, "much": {1<<20 + 3, 1, littleBytes, 3 << 20},
}

// say sends random bytes in pieces of these sizes, then the end, and keeps them in sent.
func say(c *net.TCPConn, sizes []int, sent *bytes.Buffer) {
	defer c.CloseWrite()
	for _, n := range sizes {
		b := make([]byte, n)
		rand.Read(b)
		sent.Write(b)
		c.Write(b)
		time.Sleep(time.Millisecond) // so that it comes in pieces
	}
}

// Whatever the pieces in which it comes, all arrives, both ways, in order, and is counted;
// the ends too, and the end of one way does not end the other.
func TestBothWays(t *testing.T) {
	for name, sizes := range pieces {
		device, near := pair(t)
		far, server := pair(t)
		x := tie(near, far, Options{})
		var asked, answered bytes.Buffer
		go say(device, sizes, &asked)
		got, err := io.ReadAll(server)
		if err != nil || !bytes.Equal(got, asked.Bytes()) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), asked.Len(), err)
		}
		go say(server, sizes, &answered)
		back, err := io.ReadAll(device)
		if err != nil || !bytes.Equal(back, answered.Bytes()) {
			t.Errorf("%s: %d bytes of %d came back, %v", name, len(back), answered.Len(), err)
		}
		up, down := x.wait(t)
		if up != (Way{int64(len(got)), nil}) || down != (Way{int64(len(back)), nil}) {
			t.Errorf("%s: %v, %v", name, up, down)
		}
	}
}

// What rests and goes on again has lost nothing, and needs no goroutine while it rests.
func TestRest(t *testing.T) {
	device, near := pair(t)
	far, server := pair(t)
	x := tie(near, far, Options{})
	turn := func(size int) {
		t.Helper()
		want := make([]byte, size)
		rand.Read(want)
		go device.Write(want)
		got := make([]byte, size)
		if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %v", size, err)
		}
	}
	turn(1)
	begin := runtime.NumGoroutine()
	for range 3 {
		turn(1 << 20)
		time.Sleep(3 * restAfter)
		turn(5)
	}
	end := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > begin && time.Now().Before(end) {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > begin {
		t.Errorf("%d goroutines, and %d before", n, begin)
	}
	device.Close()
	server.Close()
	x.wait(t)
}

// What is no socket is copied, and cut too.
func TestWithoutSockets(t *testing.T) {
	device, near := net.Pipe()
	far, server := pair(t)
	x := tie(near, far, Options{})
	go io.WriteString(device, "hello")
	if b := make([]byte, 5); must(io.ReadFull(server, b)) != 5 || string(b) != "hello" {
		t.Errorf("%q", b)
	}
	x.Cut()
	if up, down := x.wait(t); up.Moved != 5 || !errors.Is(up.Err, net.ErrClosed) || !errors.Is(down.Err, net.ErrClosed) {
		t.Errorf("%v, %v", up, down)
	}
}

func must[T any](v T, _ error) T { return v }

// flood writes until it fails.
func flood(c net.Conn) {
	for block := make([]byte, 1<<20); ; {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

// An end that takes nothing is given up when patience is over.
func TestPatience(t *testing.T) {
	device, near := pair(t)
	far, _ := pair(t)
	go flood(device)
	up, _ := tie(near, far, Options{Patience: 200 * time.Millisecond}).wait(t)
	if !errors.Is(up.Err, os.ErrDeadlineExceeded) {
		t.Errorf("an end that takes nothing: %v", up.Err)
	}
}

// Who does not end after the other has is cut.
func TestLinger(t *testing.T) {
	device, near := pair(t)
	far, _ := pair(t)
	x := tie(near, far, Options{Linger: 100 * time.Millisecond})
	device.CloseWrite()
	if up, down := x.wait(t); up.Err != nil || !errors.Is(down.Err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, %v", up, down)
	}
}

// A cut ends what rests, what is busy, what cannot be sent, and what has not begun; and may come
// late or twice.
func TestCut(t *testing.T) {
	for name, busy := range map[string]bool{"at rest": false, "stuck": true} {
		device, near := pair(t)
		far, _ := pair(t)
		if busy {
			go flood(device)
		}
		x := tie(near, far, Options{Patience: time.Hour})
		time.Sleep(30 * time.Millisecond)
		x.Cut()
		x.Cut()
		if up, down := x.wait(t); !errors.Is(up.Err, net.ErrClosed) || !errors.Is(down.Err, net.ErrClosed) {
			t.Errorf("%s: %v, %v", name, up, down)
		}
		if n, err := device.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: %d bytes after the cut", name, n)
		}
		x.Cut()
	}
	_, near := pair(t)
	far, _ := pair(t)
	over := make(chan Way, 2)
	x := New(near, far, Options{Over: func(up, _ Way) { over <- up }})
	x.cut(net.ErrClosed)
	x.Start()
	if up := <-over; !errors.Is(up.Err, net.ErrClosed) {
		t.Errorf("before the start: %v", up)
	}
}

// A reset of one end is a failure, and with Reset the other end gets one too.
func TestReset(t *testing.T) {
	for _, reset := range []bool{false, true} {
		device, near := pair(t)
		far, server := pair(t)
		x := tie(near, far, Options{Reset: reset})
		server.SetLinger(0)
		server.Close()
		_, err := device.Read(make([]byte, 1))
		if errors.Is(err, syscall.ECONNRESET) != reset || err == nil {
			t.Errorf("with Reset %v the other end saw %v", reset, err)
		}
		if _, down := x.wait(t); !errors.Is(down.Err, syscall.ECONNRESET) {
			t.Errorf("the way ended by %v", down.Err)
		}
	}
}

// An end that says all and closes is heard, though what the other end says is not taken any more.
func TestLastWordOfOneThatHasGone(t *testing.T) {
	for _, n := range []int{1, littleBytes, 100 << 10} {
		device, near := pair(t)
		ln := sockets.ListenUnix(t)
		far := must(net.Dial("unix", ln.Addr().String()))
		tor := must(ln.Accept())
		device.Write([]byte("a question"))
		if _, err := tor.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		tor.Close()
		x := tie(near, far, Options{Reset: true})
		if got, err := io.ReadAll(device); len(got) != n || err != nil {
			t.Errorf("%d bytes of %d arrived: %v", len(got), n, err)
		}
		if up, down := x.wait(t); !errors.Is(up.Err, syscall.EPIPE) || down.Err != nil {
			t.Errorf("ended by %v, %v", up.Err, down.Err)
		}
	}
}

// What an end has said before it went away, and the other one does not take, keeps no stream for ever.
func TestLastWordThatNobodyTakes(t *testing.T) {
	defer func(was time.Duration) { lastWords = was }(lastWords)
	lastWords = 200 * time.Millisecond
	for _, o := range []Options{{}, {Linger: lastWords}} {
		ln := sockets.ListenUnix(t)
		tor := must(net.Dial("unix", ln.Addr().String()))
		near := must(ln.Accept())
		far, server := pair(t)
		x := tie(near, far, o)
		for { // the server does not read
			tor.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := tor.Write(make([]byte, 256<<10)); err != nil {
				break
			}
		}
		tor.Close()
		if _, err := server.Write([]byte("an answer")); err != nil {
			t.Fatal(err)
		}
		if up, down := x.wait(t); !errors.Is(up.Err, os.ErrDeadlineExceeded) || !errors.Is(down.Err, syscall.EPIPE) {
			t.Errorf("%+v: ended by %v, %v", o, up.Err, down.Err)
		}
	}
}

// Many come and go at once: each gets its own bytes, and none those of one whose number it
// has got.
func TestMany(t *testing.T) {
	server := sockets.Serve(t, sockets.Echo).String()
	done := make(chan error)
	const workers, each = 16, 60
	for k := range workers {
		go func() {
			for i := range each {
				device, near := pair(t)
				far, err := net.Dial("tcp", server)
				if err != nil {
					done <- err
					continue
				}
				x := tie(near, far, Options{})
				want := strings.Repeat(string(rune('a'+k)), 1+i*500)
				go func() { io.WriteString(device, want); device.CloseWrite() }()
				got, err := io.ReadAll(device)
				device.Close()
				if err == nil && string(got) != want {
					err = errors.New("other bytes came")
				}
				<-x.over
				done <- err
			}
		}()
	}
	for range workers * each {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Whatever ends a stream at a time, later something else does, and no cut is forgotten.
func TestCutter(t *testing.T) {
	var c Cutter
	var said string
	c.Cut()
	c.By(func() { said += "a" })
	c.By(func() { said += "b" })
	c.Cut()
	if said != "abb" {
		t.Errorf("%q", said)
	}
}
