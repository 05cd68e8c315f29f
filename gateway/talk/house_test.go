package talk

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// at is somebody's terminal.
type at struct {
	net.Conn
	shown chan string // lines; closed at the end
}

// terminal is a terminal and the stream that the house has of it.
func terminal(t *testing.T) (at, net.Conn) {
	t.Helper()
	theirs, ours := net.Pipe()
	t.Cleanup(func() { theirs.Close(); ours.Close() })
	a := at{theirs, make(chan string, 2000)}
	go func() {
		defer close(a.shown)
		for r := bufio.NewReader(theirs); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			a.shown <- line
		}
	}()
	return a, ours
}

// reads waits for a line that begins so.
func (a at) reads(t *testing.T, want string) {
	t.Helper()
	for limit := time.After(time.Minute); ; {
		select {
		case line, ok := <-a.shown:
			if !ok {
				t.Fatalf("it ended before %q", want)
			}
			if strings.HasPrefix(line, want) {
				return
			}
		case <-limit:
			t.Fatalf("%q does not come", want)
		}
	}
}

func (a at) types(t *testing.T, text string) {
	t.Helper()
	a.SetWriteDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(a, text); err != nil {
		t.Error(err)
	}
}

var errAway = errors.New("away")

// friendAway is one whose box is not reached.
func friendAway() Friend[string] {
	return Friend[string]{ID: "bob", Name: "bob", Missed: func(err error) string { return "missed: " + err.Error() },
		Call: func(context.Context) (io.ReadWriteCloser, error) { return nil, errAway }}
}

// sit has somebody sit down, and returns their terminal and how it ends.
func sit(t *testing.T, h *House[string], f Friend[string]) (at, <-chan error) {
	t.Helper()
	ann, own := terminal(t)
	done := make(chan error, 1)
	go func() {
		done <- h.Sit(t.Context(), own, f, func() {})
		own.Close()
	}()
	return ann, done
}

func ended(t *testing.T, done <-chan error, want error) {
	t.Helper()
	select {
	case err := <-done:
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
}

// seen tells what a stream's end finds when it is closed.
type seen struct {
	net.Conn
	closed func()
}

func (s *seen) Close() error {
	s.closed()
	return s.Conn.Close()
}

// Who sees that it has ended can sit down again: the seat is free before.
func TestSeatIsFreeAtTheEnd(t *testing.T) {
	for how, end := range map[string]func(cancel func(), bob at){
		"ended": func(cancel func(), _ at) { cancel() }, "the friend leaves": func(_ func(), bob at) { bob.Close() },
	} {
		var h House[string]
		ann, own := terminal(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		first, taken := new(sync.Once), true
		done := make(chan error, 1)
		go func() {
			done <- h.Sit(ctx, &seen{own, func() {
				first.Do(func() {
					h.mu.Lock()
					defer h.mu.Unlock()
					taken = h.seats["bob"] != nil
				})
			}}, friendAway(), func() {})
			own.Close()
		}()
		ann.reads(t, "* missed: away")
		bob, far := terminal(t)
		if err := h.Answer(t.Context(), "bob", far); err != nil {
			t.Fatal(err)
		}
		ann.reads(t, "* bob is here")
		end(cancel, bob)
		ended(t, done, nil)
		first.Do(func() { t.Errorf("%s: the stream is not closed", how) })
		if taken {
			t.Errorf("%s: who sees the end finds the seat taken", how)
		}
	}
}

// Who waits at the table is joined by the friend; each line has the name in front, and
// both learn that the other has left.
func TestTalk(t *testing.T) {
	var h House[string]
	ann, done := sit(t, &h, friendAway())
	ann.reads(t, "* You sit at the table for bob")
	ann.reads(t, "* missed: away")
	ann.types(t, "hello?\n")
	ann.reads(t, "* bob is not here yet: this was not sent.")
	bob, far := terminal(t)
	if err := h.Answer(t.Context(), "bob", far); err != nil {
		t.Fatal(err)
	}
	ann.reads(t, "* bob is here.")
	bob.types(t, "\x1b[2J* bob has left.\nhi\n")
	ann.reads(t, "bob: * bob has left.\r\n")
	ann.reads(t, "bob: hi\r\n")
	ann.types(t, "hello \x1b[31mred\n")
	bob.reads(t, "hello red\r\n")
	bob.Close()
	ann.reads(t, "* bob has left.")
	ended(t, done, nil)

	ann, done = sit(t, &h, friendAway())
	ann.reads(t, "* missed")
	bob, far = terminal(t)
	if err := h.Answer(t.Context(), "bob", far); err != nil {
		t.Fatal(err)
	}
	ann.reads(t, "* bob is here.")
	ann.Close()
	ended(t, done, nil)
	for line := range bob.shown { // it ends
		t.Errorf("the friend hears %q", line)
	}
}

// Nobody is there, somebody else is, or a talk goes on.
func TestWhoIsNotJoined(t *testing.T) {
	var h House[string]
	_, far := terminal(t)
	if err := h.Answer(t.Context(), "bob", far); err != ErrNobody {
		t.Errorf("nobody: %v", err)
	}
	ann, done := sit(t, &h, friendAway())
	ann.reads(t, "* missed")
	if err := h.Answer(t.Context(), "carol", far); err != ErrNobody {
		t.Errorf("another's table: %v", err)
	}
	_, second := sit(t, &h, friendAway())
	ended(t, second, ErrTaken)
	if err := h.Answer(t.Context(), "bob", far); err != nil {
		t.Fatal(err)
	}
	_, again := terminal(t)
	if err := h.Answer(t.Context(), "bob", again); err != ErrTaken {
		t.Errorf("two at a table: %v", err)
	}
	ann.Close()
	ended(t, done, nil)
	ann, done = sit(t, &h, friendAway())
	ann.reads(t, "* missed")
	ann.Close()
	ended(t, done, errLeft)
	if err := h.Answer(t.Context(), "bob", far); err != ErrNobody {
		t.Errorf("who waited has left: %v", err)
	}
}

// Two boxes whose people sit down at the same moment have one talk.
func TestBothCall(t *testing.T) {
	for range 50 {
		var alices, bobs House[string]
		calls := func(other *House[string], who string, first bool) Friend[string] {
			f := friendAway()
			f.ID, f.Name, f.First = who, who, first
			f.Call = func(ctx context.Context) (io.ReadWriteCloser, error) {
				near, far := net.Pipe()
				caller := map[string]string{"alice": "bob", "bob": "alice"}[who]
				if err := other.Answer(ctx, caller, far); err != nil {
					return nil, err
				}
				return near, nil
			}
			return f
		}
		ann, annDone := sit(t, &alices, calls(&bobs, "bob", true))
		ben, benDone := sit(t, &bobs, calls(&alices, "alice", false))
		ann.reads(t, "* bob is here.")
		ben.reads(t, "* alice is here.")
		ann.types(t, "hello\n")
		ben.reads(t, "alice: hello\r\n")
		ben.types(t, "hi\n")
		ann.reads(t, "bob: hi\r\n")
		ann.Close()
		ben.reads(t, "* alice has left.")
		ended(t, annDone, nil)
		ended(t, benDone, nil)
	}
}

// A friend who says a thousand lines at once fills no terminal, and who leaves is gone at once.
func TestFlood(t *testing.T) {
	var h House[string]
	ann, done := sit(t, &h, friendAway())
	ann.reads(t, "* missed")
	bob, far := terminal(t)
	if err := h.Answer(t.Context(), "bob", far); err != nil {
		t.Fatal(err)
	}
	ann.reads(t, "* bob is here.")
	begin := time.Now()
	go io.WriteString(bob, strings.Repeat("buy\n", 1000))
	for range linesAtOnce {
		ann.reads(t, "bob: buy")
	}
	time.Sleep(time.Second)
	n := linesAtOnce + len(ann.shown)
	if took := time.Since(begin); n > linesAtOnce+linesEach+int(linesEach*took.Seconds()) {
		t.Errorf("%d lines in %v", n, took)
	}
	ann.Close()
	ended(t, done, nil)
}

// A friend who takes nothing holds nobody for longer than the last lines.
func TestFriendWhoNeverReads(t *testing.T) {
	var h House[string]
	ann, done := sit(t, &h, friendAway())
	ann.reads(t, "* missed")
	bob, far := net.Pipe()
	defer bob.Close()
	if err := h.Answer(t.Context(), "bob", far); err != nil {
		t.Fatal(err)
	}
	ann.reads(t, "* bob is here.")
	ann.types(t, "hello\n")
	ann.Close()
	ended(t, done, nil)
}

// connected are the ends of a connection of the kernel, which has room for what is not read.
func connected(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial("unix", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// Who leaves is gone at once, whatever both have said that nobody has read yet.
func TestLeaveInAFlood(t *testing.T) {
	var h House[string]
	ann, own := connected(t)
	bob, far := connected(t)
	done := make(chan error, 1)
	f := friendAway()
	f.Call = func(context.Context) (io.ReadWriteCloser, error) { return far, nil }
	go func() { done <- h.Sit(t.Context(), own, f, func() {}) }()
	io.WriteString(ann, strings.Repeat("buy\n", 1000))
	go io.WriteString(bob, strings.Repeat("x", 1_000_000))
	go io.Copy(io.Discard, ann)
	time.Sleep(time.Second)
	ann.Close()
	left := make(chan struct{})
	go func() { defer close(left); io.Copy(io.Discard, bob) }()
	ended(t, done, nil)
	<-left
}
