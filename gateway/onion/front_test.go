package onion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/internal/sockets"
)

// counting lets a fixed number of streams of each circuit in.
type counting struct{ per int }

func (l counting) Enter(uint32, func()) (func(), bool) { return func() {}, l.per > 0 }

type handlerFunc func(context.Context, *net.UnixConn, Stream) error

func (h handlerFunc) ServeStream(ctx context.Context, c *net.UnixConn, s Stream) error {
	return h(ctx, c, s)
}

func echo(_ context.Context, c *net.UnixConn, _ Stream) error {
	_, err := io.Copy(c, c)
	return err
}

// start serves routes on a socket of its own and returns a dialer for it.
func start(t *testing.T, f *Front, routes map[uint16]Route) (dial func(line string) *net.UnixConn, stop func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "front")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	f.Log = slog.New(slog.DiscardHandler)
	if f.Limits == nil {
		f.Limits = counting{1}
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.SetRoutes(ctx, routes)
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx, ln) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		done <- nil
	}
	t.Cleanup(func() { stop(); os.RemoveAll(dir) })
	return func(line string) *net.UnixConn {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(c, line)
		return c
	}, stop
}

func proxyLine(circuit uint32, port uint16) string {
	return fmt.Sprintf("PROXY TCP6 fc00:dead:beef:4dad::%x:%x ::1 282 %d\r\n", circuit>>16, circuit&0xffff, port)
}

func me() uint32 { return uint32(os.Getuid()) }

func TestStreamsReachTheirPort(t *testing.T) {
	f := &Front{TorUID: me()}
	say := func(word string) Handler {
		return handlerFunc(func(_ context.Context, c *net.UnixConn, s Stream) error {
			rest, _ := io.ReadAll(c)
			_, err := fmt.Fprintf(c, "%s %d %s", word, s.Circuit, rest)
			return err
		})
	}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", say("web")}, 22: {"b", say("ssh")}})
	for port, want := range map[uint16]string{80: "web 66051 hello", 22: "ssh 66051 hello"} {
		c := dial(proxyLine(0x10203, port) + "hel")
		io.WriteString(c, "lo")
		c.CloseWrite()
		got, err := io.ReadAll(c)
		if err != nil || string(got) != want {
			t.Errorf("port %d: %q, %v; want %q", port, got, err, want)
		}
	}
	if n := f.Counts(); n.Streams != 2 || n.Refused != 0 {
		t.Errorf("counts: %+v", n)
	}
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		front *Front
		line  string
	}{
		"another uid":        {&Front{TorUID: me() + 1}, proxyLine(1, 80)},
		"unknown port":       {&Front{TorUID: me()}, proxyLine(1, 81)},
		"over the limit":     {&Front{TorUID: me(), Limits: counting{0}}, proxyLine(1, 80)},
		"no PROXY line":      {&Front{TorUID: me()}, "GET / HTTP/1.1\r\n"},
		"line without end":   {&Front{TorUID: me()}, strings.Repeat("x", 200)},
		"wrong address kind": {&Front{TorUID: me()}, "PROXY TCP4 10.0.0.1 10.0.0.2 1 80\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dial, _ := start(t, tc.front, map[uint16]Route{80: {"a", handlerFunc(echo)}})
			c := dial(tc.line + "hello")
			if got, _ := io.ReadAll(c); len(got) > 0 {
				t.Errorf("was answered with %q", got)
			}
			if n := tc.front.Counts(); n.Refused != 1 || n.Streams != 0 {
				t.Errorf("counts: %+v", n)
			}
		})
	}
}

// A line that comes in pieces is put together, and nothing after it is lost.
func TestLineInPieces(t *testing.T) {
	f := &Front{TorUID: me()}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", handlerFunc(echo)}})
	line := proxyLine(9, 80)
	c := dial(line[:10])
	time.Sleep(20 * time.Millisecond)
	io.WriteString(c, line[10:20])
	time.Sleep(20 * time.Millisecond)
	io.WriteString(c, line[20:]+"payload")
	c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "payload" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestPanicCostsOneStream(t *testing.T) {
	f := &Front{TorUID: me()}
	dial, _ := start(t, f, map[uint16]Route{
		80: {"a", handlerFunc(echo)},
		81: {"b", handlerFunc(func(context.Context, *net.UnixConn, Stream) error { panic("boom") })}})
	io.ReadAll(dial(proxyLine(1, 81)))
	c := dial(proxyLine(1, 80) + "still here")
	c.CloseWrite()
	if got, _ := io.ReadAll(c); string(got) != "still here" {
		t.Fatalf("after a panic: %q", got)
	}
	if n := f.Counts(); n.Panics != 1 {
		t.Errorf("counts: %+v", n)
	}
}

// A changed or removed port cuts its streams; the others go on.
func TestSetRoutesCutsOnlyWhatChanged(t *testing.T) {
	f := &Front{TorUID: me()}
	keep, drop := Route{"keep", handlerFunc(echo)}, Route{"drop", handlerFunc(echo)}
	dial, _ := start(t, f, map[uint16]Route{80: keep, 81: drop})
	kept, dropped := dial(proxyLine(1, 80)), dial(proxyLine(1, 81))
	for _, c := range []net.Conn{kept, dropped} {
		io.WriteString(c, "x")
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	f.SetRoutes(t.Context(), map[uint16]Route{80: {"keep", handlerFunc(echo)}, 82: drop})
	if _, err := dropped.Read(make([]byte, 1)); err == nil {
		t.Error("the stream of a removed port goes on")
	}
	io.WriteString(kept, "y")
	if _, err := io.ReadFull(kept, make([]byte, 1)); err != nil {
		t.Errorf("the stream of a kept port was cut: %v", err)
	}
}

func TestStopCutsStreams(t *testing.T) {
	f := &Front{TorUID: me()}
	dial, stop := start(t, f, map[uint16]Route{80: {"a", handlerFunc(echo)}})
	c := dial(proxyLine(1, 80) + "x")
	io.ReadFull(c, make([]byte, 1))
	stop()
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the stream outlived its front: %v", err)
	}
}

// Both directions arrive whole, and the end of one does not end the other.
func TestRelay(t *testing.T) {
	from := make(chan string, 1)
	target := sockets.Serve(t, func(c net.Conn) {
		from <- c.RemoteAddr().(*net.TCPAddr).IP.String()
		n, _ := io.Copy(io.Discard, c)
		fmt.Fprintf(c, "took %d", n)
	})
	relay := Relay{Dial: func(ctx context.Context, circuit uint32) (net.Conn, error) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(CircuitSource(circuit), 0))}
		return d.DialContext(ctx, "tcp", target.String())
	}}
	f := &Front{TorUID: me()}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", relay}})
	c := dial(proxyLine(0x010203, 80))
	io.Copy(c, strings.NewReader(strings.Repeat("x", 1<<20)))
	c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "took 1048576" {
		t.Fatalf("got %q, %v", got, err)
	}
	if got := <-from; got != "127.129.2.3" {
		t.Errorf("the target saw %s", got)
	}
}

// TestRelayCutsAFlood: a target that takes nothing is rid of the visitor, one
// that takes its time is not.
func TestRelayCutsAFlood(t *testing.T) {
	for reads, patience := range map[bool]time.Duration{false: time.Second, true: 30 * time.Second} {
		target := sockets.Serve(t, func(c net.Conn) {
			time.Sleep(300 * time.Millisecond)
			if reads {
				n, _ := io.Copy(io.Discard, c)
				fmt.Fprintf(c, "took %d", n)
				return
			}
			<-t.Context().Done()
		})
		relay := Relay{Patience: patience, Dial: dialTo(target.String())}
		f := &Front{TorUID: me()}
		dial, _ := start(t, f, map[uint16]Route{80: {"a", relay}})
		c := dial(proxyLine(1, 80))
		io.Copy(c, strings.NewReader(strings.Repeat("x", 16<<20)))
		c.CloseWrite()
		got, _ := io.ReadAll(c)
		if want := "took 16777216"; reads && string(got) != want {
			t.Errorf("the target that reads: %q, want %q", got, want)
		}
		if err := lastError(f, 80, !reads); errors.Is(err, os.ErrDeadlineExceeded) == reads {
			t.Errorf("a target that reads (%v): %v", reads, err)
		}
	}
}

// lastError is what the front remembers of a stream whose end the visitor has
// seen, which may be a moment before the front has noted it.
func lastError(f *Front, port uint16, wanted bool) error {
	for begin := time.Now(); wanted && f.LastError(port) == nil && time.Since(begin) < time.Minute; {
		time.Sleep(time.Millisecond)
	}
	return f.LastError(port)
}

func TestRelayToNobodyEndsAtOnce(t *testing.T) {
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	addr := ln.Addr().String()
	ln.Close()
	relay := Relay{Dial: func(ctx context.Context, _ uint32) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}}
	f := &Front{TorUID: me()}
	dial, _ := start(t, f, map[uint16]Route{80: {"a", relay}})
	io.ReadAll(dial(proxyLine(1, 80)))
	if err := f.LastError(80); err == nil {
		t.Error("LastError knows nothing of it")
	}
}

func FuzzProxyLine(f *testing.F) {
	f.Add([]byte(proxyLine(0x11a, 80)))
	f.Add([]byte("PROXY TCP6 ::%eth0 ::1 1 80\r\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := parseProxyLine(line)
		if err == nil && s.Port == 0 {
			t.Errorf("%q gave port 0", line)
		}
	})
}
