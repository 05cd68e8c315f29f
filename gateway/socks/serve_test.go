package socks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Much data in both directions at once arrives whole, what was sent behind
// the request included, and each end of the data is passed on by itself.
func TestBothDirections(t *testing.T) {
	const size = 8 << 20
	up, down := make([]byte, size), make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(up)
	random.Read(down)
	tor := newFakeTor(t)
	got := make(chan [32]byte, 1)
	tor.serve = func(c *net.UnixConn) {
		c.Write(down)
		c.CloseWrite() // before the device's data has ended
		all, _ := io.ReadAll(c)
		got <- sha256.Sum256(all)
	}
	p := newProxy(t, Options{DialTor: tor.dial, Grace: time.Minute})
	c := p.connect(t, "")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(c, "\x05\x01\x00"+requestTo("example.com", 80)+string(up[:100]))
		c.Write(up[100:])
	}()
	if _, err := io.CopyN(io.Discard, c, 2+10); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(all, down) {
		t.Errorf("the device got %d bytes, %v", len(all), err)
	}
	<-sent
	c.CloseWrite()
	if sum := <-got; sum != sha256.Sum256(up) {
		t.Error("what the device sent arrived changed")
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Up != size || s.Down != size || s.Active != 0 || s.Conns != 1 || s.Failed != 0 {
		t.Errorf("counted %+v", s)
	}
}

// A stream that breaks off is a reset for the device, not an end of data.
func TestBrokenStreamIsAReset(t *testing.T) {
	tor := newFakeTor(t)
	asked := make(chan struct{})
	tor.serve = func(c *net.UnixConn) {
		io.WriteString(c, "half of")
		<-asked
		unread(c)
	}
	c := newProxy(t, Options{DialTor: tor.dial}).connect(t, "")
	if code := open(t, c, requestTo("example.com", 80)); code != 0 {
		t.Fatal(code)
	}
	io.WriteString(c, "more")
	close(asked)
	if got, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %q, %v", got, err)
	}
}

// unread waits until something has come, and leaves it there.
func unread(c *net.UnixConn) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Read(func(fd uintptr) bool {
			_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
			return err != unix.EAGAIN
		})
	}
}

func TestLimits(t *testing.T) {
	tor := newFakeTor(t)
	p := newProxy(t, Options{DialTor: tor.dial, MaxConns: 3, MaxPerDevice: 2})
	refused := func(device string) bool {
		c := p.connect(t, device)
		io.WriteString(c, "\x05\x01\x00")
		_, err := io.ReadFull(c, make([]byte, 2))
		if isTimeout(err) {
			t.Fatal(err)
		}
		return err != nil
	}
	first := p.connect(t, "127.0.0.2")
	open(t, first, requestTo("example.com", 80))
	for i, step := range []struct {
		device string
		want   bool
	}{{"127.0.0.2", false}, {"127.0.0.2", true}, {"127.0.0.3", false}, {"127.0.0.4", false}, {"127.0.0.5", true}} {
		if got := refused(step.device); got != step.want {
			t.Errorf("connection %d, of %s: refused %v", i+2, step.device, got)
		}
	}
	// The first stream made room for that of 127.0.0.4.
	if _, err := first.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the oldest of the greediest: %v", err)
	}
	if s := p.Stats(); s.Active != 3 || s.Refused != 2 {
		t.Errorf("counted %+v", s)
	}
}

func TestSlowHandshakeIsClosed(t *testing.T) {
	p := newProxy(t, Options{DialTor: newFakeTor(t).dial, HandshakeTimeout: 100 * time.Millisecond})
	for _, part := range []string{"", "\x05", "\x05\x01\x00", "\x05\x01\x00\x05\x01\x00\x03\x10half"} {
		c := p.connect(t, "")
		io.WriteString(c, part)
		if _, err := io.ReadAll(c); isTimeout(err) {
			t.Errorf("after %q: it stays open: %v", part, err)
		}
	}
}

// The time limits of the handshake end with it.
func TestStreamsMayBeSilent(t *testing.T) {
	t.Parallel()                  // it waits
	const limit = 2 * time.Second // a busy machine needs a while to open a stream
	p := newProxy(t, Options{DialTor: newFakeTor(t).dial, HandshakeTimeout: limit, ConnectTimeout: limit})
	c := p.connect(t, "")
	if code := open(t, c, requestTo("example.com", 80)); code != 0 {
		t.Fatal(code)
	}
	time.Sleep(limit + 100*time.Millisecond)
	const size = 1 << 20 // what is little does not wait for anybody
	go c.Write(make([]byte, size))
	if n, err := io.ReadFull(c, make([]byte, size)); err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// Serve stops accepting at once, and lets streams end within the grace time.
func TestStop(t *testing.T) {
	p := newProxy(t, Options{DialTor: newFakeTor(t).dial, Grace: time.Minute})
	c := p.connect(t, "")
	if code := open(t, c, requestTo("example.com", 80)); code != 0 {
		t.Fatal(code)
	}
	start := time.Now()
	var stopped sync.WaitGroup
	stopped.Go(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	p.ln.(*net.TCPListener).SetDeadline(start.Add(20 * time.Second))
	for err := error(nil); !errors.Is(err, net.ErrClosed); { // somebody else may have its port by then
		if _, err = p.ln.Accept(); isTimeout(err) {
			t.Fatal("new connections are accepted")
		}
	}
	io.WriteString(c, "ping")
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Errorf("a stream within the grace time: %v", err)
	}
	c.Close()
	stopped.Wait()
	if took := time.Since(start); took > 50*time.Second {
		t.Errorf("stopping took %v, and all streams had ended", took)
	}
}

// Streams that do not end are cut after the grace time, and not before.
func TestStopCuts(t *testing.T) {
	const grace = 200 * time.Millisecond
	p := newProxy(t, Options{DialTor: newFakeTor(t).dial, Grace: grace})
	c := p.connect(t, "")
	if code := open(t, c, requestTo("example.com", 80)); code != 0 {
		t.Fatal(code)
	}
	start := time.Now()
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < grace {
		t.Errorf("stopping took %v", took)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("a stream after the grace time: %v", err)
	}
}

func TestPanicCostsOneConnection(t *testing.T) {
	var log bytes.Buffer
	tor := newFakeTor(t)
	panics := true
	p := newProxy(t, Options{
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		DialTor: func(ctx context.Context) (*net.UnixConn, error) {
			if panics {
				panics = false
				panic("dialling")
			}
			return tor.dial(ctx)
		}})
	if got := open(t, p.connect(t, ""), requestTo("secret.example.com", 80)); got != -1 {
		t.Errorf("reply %d", got)
	}
	if got := open(t, p.connect(t, ""), requestTo("example.com", 80)); got != 0 {
		t.Errorf("the next connection: reply %d", got)
	}
	p.stop()
	if p.Stats().Panics != 1 || !strings.Contains(log.String(), "panicked") || strings.Contains(log.String(), "secret") {
		t.Errorf("%+v, log %q", p.Stats(), log.String())
	}
}

// failing is a listener whose first Accepts fail, as with too many open files.
type failing struct {
	net.Listener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left--; f.left >= 0 {
		return nil, syscall.EMFILE
	}
	return f.Listener.Accept()
}

func TestAcceptingGoesOnAfterErrors(t *testing.T) {
	var log bytes.Buffer
	p := newProxy(t, Options{DialTor: newFakeTor(t).dial, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, &failing{ln, 3}) }()
	second := &proxy{Server: p.Server, addr: ln.Addr().String()}
	if got := open(t, second.connect(t, ""), requestTo("example.com", 80)); got != 0 {
		t.Errorf("reply %d", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "accepting"); n != 1 {
		t.Errorf("%d log lines for one failure: %s", n, log.String())
	}
	ln.Close()
	if err := p.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a listener that somebody closed: %v", err)
	}
}

// pipe moves data only between bare sockets; a listener of anything else is a
// mistake that must show at once.
func TestOnlyBareTCP(t *testing.T) {
	p := newProxy(t, Options{DialTor: newFakeTor(t).dial})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go net.Dial("tcp", ln.Addr().String())
	if err := p.Serve(t.Context(), wrapping{ln}); err == nil || !strings.Contains(err.Error(), "not TCP") {
		t.Errorf("Serve: %v", err)
	}
}

type wrapping struct{ net.Listener }

func (w wrapping) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	return struct{ net.Conn }{c}, err
}
