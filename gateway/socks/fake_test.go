package socks

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunic/gateway/device"
	"tunic/internal/sockets"
)

// stream is what the fake tor was asked for.
type stream struct {
	user, password string
	to             string // "name example.com:80", "addr 1.2.3.4:80"
	command        byte   // 1, 0xF0 or 0xF1
}

func (s stream) String() string { return s.to + " as " + s.user }

// fakeTor is a strict SOCKS5 server: it fails the test on anything that tor's
// SocksPort would not like, records what it is asked, and serves the streams
// that it accepts itself.
type fakeTor struct {
	t     testing.TB
	ln    net.Listener
	reply []byte              // the answer to each request; nil: success
	serve func(*net.UnixConn) // the far end of a stream; nil: echo

	mu      sync.Mutex
	streams []stream
}

var success = []byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}

func newFakeTor(t testing.TB) *fakeTor {
	t.Helper()
	ln := sockets.ListenUnix(t)
	f := &fakeTor{t: t, ln: ln, reply: success, serve: func(c *net.UnixConn) { io.Copy(c, c) }}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go f.handle(c.(*net.UnixConn))
		}
	}()
	return f
}

func (f *fakeTor) handle(c *net.UnixConn) {
	defer c.Close()
	s, err := readStream(bufio.NewReaderSize(byteByByte{c}, 16), c)
	if err != nil {
		f.t.Errorf("tor got no good request: %v", err)
		return
	}
	f.mu.Lock()
	f.streams = append(f.streams, s)
	reply, serve := f.reply, f.serve
	f.mu.Unlock()
	c.Write(reply)
	if reply[1] == 0 && s.command == 1 {
		serve(c)
	}
}

// byteByByte keeps a reader from taking more than it was asked for.
type byteByByte struct{ r io.Reader }

func (b byteByByte) Read(p []byte) (int, error) { return b.r.Read(p[:min(1, len(p))]) }

func (f *fakeTor) dial(ctx context.Context) (*net.UnixConn, error) {
	return dialSocket(ctx, f.ln.Addr().String())
}

func (f *fakeTor) asked() []stream {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]stream(nil), f.streams...)
}

// readStream is the server's side of RFC 1928 and 1929, user and password only.
func readStream(r *bufio.Reader, w io.Writer) (stream, error) {
	var s stream
	if b, err := take(r, 3); err != nil || [3]byte(b) != [3]byte{5, 1, 2} {
		return s, fmt.Errorf("methods % x, %v", b, err)
	}
	w.Write([]byte{5, 2})
	if b, err := take(r, 1); err != nil || b[0] != 1 {
		return s, fmt.Errorf("authentication version % x, %v", b, err)
	}
	var err error
	if s.user, err = takeString(r); err != nil {
		return s, err
	}
	if s.password, err = takeString(r); err != nil {
		return s, err
	}
	w.Write([]byte{1, 0})
	head, err := take(r, 4)
	s.command = head[1]
	if err != nil || head[0] != 5 || head[2] != 0 || !slices.Contains([]byte{1, 0xF0, 0xF1}, s.command) {
		return s, fmt.Errorf("request % x, %v", head, err)
	}
	switch head[3] {
	case 1:
		b, _ := take(r, 4)
		s.to = "addr " + netip.AddrFrom4([4]byte(b)).String()
	case 4:
		b, _ := take(r, 16)
		s.to = "addr " + netip.AddrFrom16([16]byte(b)).String()
	case 3:
		name, _ := takeString(r)
		s.to = "name " + name
	default:
		return s, fmt.Errorf("address type %d", head[3])
	}
	port, err := take(r, 2)
	s.to += fmt.Sprintf(":%d", binary.BigEndian.Uint16(port))
	return s, err
}

func take(r *bufio.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

func takeString(r *bufio.Reader) (string, error) {
	n, err := r.ReadByte()
	if err != nil || n == 0 {
		return "", fmt.Errorf("an empty string, %v", err)
	}
	b, err := take(r, int(n))
	return string(b), err
}

// house is a strict Household: names without a dot and 192.168.0.0/16 are home.
type house struct{}

func (house) OnionName(name string) string {
	if name == "alice.peer.home.arpa" {
		return anOnion
	}
	return ""
}

func (house) HomeName(name string) bool { return !strings.Contains(name, ".") }
func (house) HomeAddr(a netip.Addr) bool {
	return netip.MustParsePrefix("192.168.0.0/16").Contains(a) || a.IsLoopback()
}

// proxy is a Server that serves on loopback.
type proxy struct {
	*Server
	ln   net.Listener
	addr string
	stop func() error // ends Serve and waits for it
}

// hundredDevices takes each of 127.0.0.1 to 127.0.0.100 for a device, and
// 127.0.1.0/24 for addresses of one more.
func hundredDevices() (map[netip.Addr]string, error) {
	macs := make(map[netip.Addr]string)
	for i := range 256 {
		macs[netip.AddrFrom4([4]byte{127, 0, 1, byte(i)})] = "02:00:5e:10:ff:ff"
		if i < 100 {
			macs[netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)})] = fmt.Sprintf("02:00:5e:10:00:%02x", i+1)
		}
	}
	return macs, nil
}

func newProxy(t *testing.T, o Options) *proxy {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Home == nil {
		o.Home = house{}
	}
	if o.Grace == 0 {
		o.Grace = 50 * time.Millisecond
	}
	if o.Devices == nil {
		o.Devices = &device.Table{Read: hundredDevices}
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	p := &proxy{Server: s, ln: ln, addr: ln.Addr().String()}
	p.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return p
}

// connect is a client at the device's address ("" is 127.0.0.1).
func (p *proxy) connect(t *testing.T, device string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{Timeout: time.Minute}
	if device != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(device), 0))
	}
	c, err := d.DialContext(t.Context(), "tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// requestTo is a CONNECT request for a name.
func requestTo(host string, port uint16) string {
	return string(binary.BigEndian.AppendUint16(append([]byte{5, 1, 0, 3, byte(len(host))}, host...), port))
}

// open says hello, sends the request and returns the reply's code; -1 if the
// server closed instead.
func open(t testing.TB, c net.Conn, request string) int {
	t.Helper()
	io.WriteString(c, "\x05\x01\x00"+request)
	hello := make([]byte, 2)
	if _, err := io.ReadFull(c, hello); err != nil || string(hello) != "\x05\x00" {
		t.Fatalf("hello: % x, %v", hello, err)
	}
	return readCode(c)
}

func readCode(c net.Conn) int {
	reply := make([]byte, 10)
	if _, err := io.ReadFull(c, reply); err != nil || reply[0] != 5 {
		return -1
	}
	return int(reply[1])
}
