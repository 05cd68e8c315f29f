package socks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"tunic/gateway/splice"
)

// FuzzReply: any bytes in place of tor's reply give an error or a whole reply,
// and nothing beyond it is read.
func FuzzReply(f *testing.F) {
	f.Add(success)
	f.Add([]byte("\x05\x00\x00\x03\x05abcde\x00\x50rest"))
	f.Add([]byte("\x05\x00\x00\x04"))
	f.Add([]byte("\x05\xf4\x00\x01\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		_, err := readReply(r)
		used := len(b) - r.Len()
		if err != nil {
			if code := replyCode(err); code == 0 || code > 8 {
				t.Errorf("%v became the reply %d", err, code)
			}
			return
		}
		want := map[byte]int{1: 10, 4: 22, 3: 7 + int(b[4])}[b[3]]
		if b[0] != 5 || b[1] != 0 || used != want {
			t.Errorf("% x: taken for success, %d bytes used", b, used)
		}
	})
}

// FuzzDevice: whatever a device sends, tor is dialled only for a good request
// about a destination that is not home.
func FuzzDevice(f *testing.F) {
	f.Add([]byte("\x05\x01\x00" + requestTo("example.com", 80)))
	f.Add([]byte("\x05\x01\x00" + requestTo("192.168.77.20", 80)))
	f.Add([]byte("\x05\x01\x02\x01\x01a\x01b" + requestTo("printer", 80)))
	f.Add([]byte("\x05\x01\x00\x05\x03\x00\x01\x08\x08\x08\x08\x00\x50"))
	f.Add([]byte("\x05\x01\x00\x05\xf1\x00\x01\x08\x08\x08\x08\x00\x00"))
	f.Add([]byte("\x04\x01\x00\x50\x08\x08\x08\x08me\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := New(Options{
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Home: watch{t},
			DialTor: func(context.Context) (*net.UnixConn, error) {
				if !bytes.HasPrefix(b, []byte{5}) || !bytes.Contains(b, []byte{5, 1}) && !bytes.Contains(b, []byte{5, 0xF0}) &&
					!bytes.Contains(b, []byte{5, 0xF1}) {
					t.Errorf("tor is dialled for %q", b)
				}
				return nil, errors.New("not in this test")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		near, far := tcpPair(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			leave, _ := s.share.Enter("", func() { near.Close() })
			var running sync.WaitGroup
			s.handle(t.Context(), &running, near, new(splice.Cutter), leave)
			running.Wait()
		}()
		far.Write(b)
		far.CloseWrite()
		far.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadAll(far); isTimeout(err) {
			t.Errorf("%q: the server still waits", b)
		}
		far.Close()
		<-done
		if s.Stats().Panics != 0 || s.Stats().Active != 0 {
			t.Errorf("%q: %+v", b, s.Stats())
		}
	})
}

// watch checks what the household is asked about.
type watch struct{ t *testing.T }

func (w watch) OnionName(string) string { return "" }

func (w watch) HomeName(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil || name == "" || strings.ContainsFunc(name, unicode.IsControl) {
		w.t.Errorf("%q is taken for a name", name)
	}
	return false
}

func (w watch) HomeAddr(a netip.Addr) bool {
	if !a.IsValid() || a.Is4In6() || a.Zone() != "" {
		w.t.Errorf("%v is taken for an address", a)
	}
	return false
}

func tcpPair(t *testing.T) (*net.TCPConn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near.(*net.TCPConn), far.(*net.TCPConn)
}
