package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// endpointFunc makes an Endpoint of a function.
type endpointFunc func(context.Context, net.Conn, Visitor) error

func (f endpointFunc) Name() string { return "test" }

func (f endpointFunc) ServeConn(ctx context.Context, c net.Conn, v Visitor) error {
	return f(ctx, c, v)
}

// server runs Serve on loopback until the test ends.
type server struct {
	ln   net.Listener
	addr string
	lim  *Limiter
	log  *lockedBuffer
	stop context.CancelFunc
	done chan error
}

func serve(t *testing.T, l Limits, f endpointFunc) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, ln, l, f)
}

func serveOn(t *testing.T, ln net.Listener, l Limits, f endpointFunc) *server {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &server{ln: ln, addr: ln.Addr().String(), lim: NewLimiter(l), log: &lockedBuffer{}, stop: cancel, done: make(chan error, 1)}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	visitor := func(net.Conn) Visitor { return Visitor{Host: "secret.onion", Port: 70, ID: "secret-id"} }
	go func() {
		defer close(s.done)
		s.done <- Serve(ctx, ln, f, s.lim, visitor, log)
	}()
	t.Cleanup(func() { cancel(); s.wait(t) })
	return s
}

// wait returns what Serve returned; further calls return nil.
func (s *server) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(time.Minute):
		t.Fatal("Serve did not return")
		return nil
	}
}

func (s *server) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// echo sends back what comes, until the visitor is done.
func echo(_ context.Context, c net.Conn, _ Visitor) error {
	_, err := io.Copy(c, c)
	return err
}

func ask(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("answer %q, %v; want %q", got, err, text)
	}
}

// wantClosed checks that the other side closed c without another byte.
func wantClosed(t *testing.T, c net.Conn) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	if n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes, %v; want a closed connection", n, err)
	}
}

func TestServeEndsWithContext(t *testing.T) {
	s := serve(t, Limits{}, echo)
	c := s.dial(t)
	ask(t, c, "hello")
	s.stop()
	if err := s.wait(t); err != nil {
		t.Errorf("Serve = %v after its context ended", err)
	}
	wantClosed(t, c)
	if got := s.lim.Stats(); got.Active != 0 || got.Accepted != 1 {
		t.Errorf("Stats() = %+v, want one connection, over", got)
	}
	if _, err := s.ln.Accept(); !errors.Is(err, net.ErrClosed) { // somebody else may have its port by now
		t.Errorf("the listener is still open: %v", err)
	}
}

func TestServeRefusesBeyondLimits(t *testing.T) {
	s := serve(t, Limits{MaxPerVisitor: 1}, echo)
	first := s.dial(t)
	ask(t, first, "one")
	wantClosed(t, s.dial(t))
	ask(t, first, "still there")
	if got := s.lim.Stats(); got.Refused != 1 || got.Active != 1 {
		t.Errorf("Stats() = %+v, want one refused, one active", got)
	}
}

// Who has to make room makes all of it: what was begun for a connection ends with it, also
// where nobody looks at the connection itself.
func TestServeEndsWhatMakesRoom(t *testing.T) {
	lim, over := NewLimiter(Limits{MaxConns: 2}), make(chan struct{}, 2)
	wait := endpointFunc(func(ctx context.Context, _ net.Conn, _ Visitor) error {
		over <- struct{}{}
		<-ctx.Done()
		over <- struct{}{}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := func(id string) {
		c, other := net.Pipe()
		t.Cleanup(func() { other.Close() })
		go ServeOne(ctx, c, wait, Visitor{ID: id}, lim, slog.New(slog.DiscardHandler))
		<-over
	}
	begin("greedy")
	begin("greedy")
	begin("another")
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Error("what was begun for a connection that made room goes on")
	}
}

func TestServeSurvivesPanic(t *testing.T) {
	s := serve(t, Limits{}, func(ctx context.Context, c net.Conn, v Visitor) error {
		b := make([]byte, 1)
		io.ReadFull(c, b)
		if b[0] == 'p' {
			panic("what the visitor sent")
		}
		return echo(ctx, c, v)
	})
	bad := s.dial(t)
	io.WriteString(bad, "p")
	wantClosed(t, bad)
	good := s.dial(t)
	io.WriteString(good, "x")
	ask(t, good, "alive")
	if got := s.lim.Stats(); got.Panics != 1 || got.Active != 1 {
		t.Errorf("Stats() = %+v, want one panic, one active", got)
	}
	if text := s.log.String(); !strings.Contains(text, "conversation panicked") || strings.Contains(text, "what the visitor sent") {
		t.Errorf("log after a panic: %s", text)
	}
}

func TestServeTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total = 50 * time.Millisecond
		ended := make(chan error, 1)
		busy := endpointFunc(func(ctx context.Context, c net.Conn, v Visitor) error {
			err := echo(ctx, c, v)
			ended <- ctx.Err()
			return err
		})
		near, far := net.Pipe()
		begin := time.Now()
		go ServeOne(t.Context(), far, busy, Visitor{}, NewLimiter(Limits{Total: total}), slog.New(slog.DiscardHandler))
		time.Sleep(total - 1)
		ask(t, near, "busy")
		wantClosed(t, near)
		if took := time.Since(begin); took != total {
			t.Errorf("ended after %v", took)
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the conversation's context says %v", err)
		}
	})
}

// Who says something within the limit stays, for longer than it, and who says
// nothing is ended when it is over.
func TestServeIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 150 * time.Millisecond
		near, far := net.Pipe()
		go ServeOne(t.Context(), far, endpointFunc(echo), Visitor{}, NewLimiter(Limits{Idle: idle}), slog.New(slog.DiscardHandler))
		for range 6 {
			time.Sleep(idle - 1)
			ask(t, near, "still here")
		}
		silent := time.Now()
		wantClosed(t, near)
		if took := time.Since(silent); took != idle {
			t.Errorf("ended after %v", took)
		}
	})
}

// flakyListener fails with each error in turn before it accepts.
type flakyListener struct {
	net.Listener
	errs []error
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: os.NewSyscallError("accept4", err)}
	}
	return l.Listener.Accept()
}

func TestServeAcceptErrors(t *testing.T) {
	tests := []struct {
		name  string
		errs  []error
		fatal bool
	}{
		{"shortage", []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM}, false},
		{"aborted", []error{syscall.ECONNABORTED}, false},
		{"broken", []error{syscall.EMFILE, syscall.EBADF}, true},
		{"closed by another", []error{net.ErrClosed}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := serveOn(t, &flakyListener{inner, tt.errs}, Limits{}, echo)
			if tt.fatal {
				if err := s.wait(t); !errors.Is(err, tt.errs[len(tt.errs)-1]) {
					t.Errorf("Serve = %v, want %v", err, tt.errs[len(tt.errs)-1])
				}
				return
			}
			ask(t, s.dial(t), "hello")
			if n := strings.Count(s.log.String(), "level=WARN"); n != 1 {
				t.Errorf("%d warnings for one row of failures, want 1", n)
			}
		})
	}
}

func TestLogsNameNobody(t *testing.T) {
	s := serve(t, Limits{}, func(_ context.Context, c net.Conn, v Visitor) error {
		return fmt.Errorf("serving: %w",
			&net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: syscall.ECONNRESET})
	})
	wantClosed(t, s.dial(t))
	s.stop()
	s.wait(t)
	if text := s.log.String(); strings.Contains(text, "127.0.0.1") || !strings.Contains(text, "reset by peer") {
		t.Errorf("log of a failed conversation: %s", text)
	}

	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("visit", "visitor", Visitor{Host: "x.onion", Port: 70, ID: "secret"})
	if text := b.String(); strings.Contains(text, "secret") || strings.Contains(text, "onion") || !strings.Contains(text, "port=70") {
		t.Errorf("logged visitor: %s", text)
	}
}

func TestIdleConnDeadlines(t *testing.T) { synctest.Test(t, idleConnDeadlines) }

func idleConnDeadlines(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := &idleConn{Conn: near, idle: time.Minute}
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read = %v, want the endpoint's own deadline", err)
	}
	c.SetDeadline(time.Time{})
	go far.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("Read = %v after the deadline was taken back", err)
	}
	c.SetWriteDeadline(time.Now().Add(-time.Second))
	if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write = %v, want the endpoint's own deadline", err)
	}
}

func TestIdleConnCloseWrite(t *testing.T) {
	s := serve(t, Limits{Idle: time.Minute}, func(_ context.Context, c net.Conn, _ Visitor) error {
		io.WriteString(c, "bye")
		err := c.(interface{ CloseWrite() error }).CloseWrite()
		io.Copy(io.Discard, c) // until the visitor closes
		return err
	})
	c := s.dial(t)
	if got, err := io.ReadAll(c); err != nil || string(got) != "bye" {
		t.Errorf("read %q, %v; want an end while the connection is open", got, err)
	}
	if got := s.lim.Stats(); got.Active != 1 {
		t.Errorf("Stats() = %+v, want the connection still open", got)
	}
}
