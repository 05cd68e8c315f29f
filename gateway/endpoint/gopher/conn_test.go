package gopher

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/endpoint"
)

// TestSlowVisitors has visitors that do not send, or do not take, what they should.
func TestSlowVisitors(t *testing.T) {
	s := newServer(t, map[string]string{"big.bin": strings.Repeat("x", 4*bufferSize)})
	s.request, s.write = 50*time.Millisecond, 50*time.Millisecond
	tests := []struct{ name, sent string }{
		{"sends nothing", ""},
		{"sends half a line", "/big"},
		{"takes nothing", "/big.bin\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				go near.Write([]byte(tt.sent))
				start := time.Now()
				err := s.ServeConn(t.Context(), far, friend)
				if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 50*time.Millisecond {
					t.Errorf("ServeConn = %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// TestSteadyVisitor takes longer for all than the limit for a part allows.
func TestSteadyVisitor(t *testing.T) {
	synctest.Test(t, steadyVisitor)
}

func steadyVisitor(t *testing.T) {
	const size = 6 * bufferSize
	s := newServer(t, map[string]string{"big.bin": strings.Repeat("x", size)})
	s.write = 200 * time.Millisecond
	near, far := net.Pipe()
	defer near.Close()
	served := make(chan error, 1)
	go func() {
		defer far.Close()
		served <- s.ServeConn(t.Context(), far, friend)
	}()
	near.Write([]byte("/big.bin\r\n"))
	got, buf := 0, make([]byte, bufferSize)
	for {
		n, err := near.Read(buf)
		got += n
		if err != nil {
			break
		}
		time.Sleep(199 * time.Millisecond)
	}
	if err := <-served; err != nil || got != size {
		t.Errorf("got %d of %d bytes, ServeConn = %v", got, size, err)
	}
}

// TestThroughServe is a conversation over loopback as the daemon has them.
func TestThroughServe(t *testing.T) {
	addr := listen(t, newServer(t, map[string]string{"a.txt": "a\n"}))
	for range 3 {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		c.Write([]byte("/a.txt\r\n"))
		var b bytes.Buffer
		if _, err := b.ReadFrom(c); err != nil || b.String() != "a\r\n.\r\n" {
			t.Errorf("answer %q, %v", b.String(), err)
		}
		c.Close()
	}
}

// listen serves on loopback until the test ends. Visitors are told the port
// that is really bound.
func listen(t testing.TB, s *Server) *net.TCPAddr {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr)
	visitor := func(net.Conn) endpoint.Visitor {
		return endpoint.Visitor{Host: "127.0.0.1", Port: uint16(addr.Port), ID: "x"}
	}
	lim := endpoint.NewLimiter(endpoint.Limits{MaxConns: 10, Idle: time.Minute, Total: time.Minute})
	done := make(chan error, 1)
	go func() { done <- endpoint.Serve(t.Context(), ln, s, lim, visitor, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() { // t.Context is over by now
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return addr
}

// TestOddFiles has what must not be opened: each would block or do something.
func TestOddFiles(t *testing.T) {
	root := makeFiles(t, map[string]string{"ok.txt": "x\n", "null": "-> /dev/null"})
	if err := syscall.Mkfifo(filepath.Join(root, "pipe.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "m"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "m", mapName), 0o644); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(root, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := serveDir(t, root)
	want := item("1", "m", "/m") + item("0", "ok.txt", "/ok.txt") + item("7", "Search", "/search") + ".\r\n"
	if got := ask(t, s, friend, "\r\n"); got != want {
		t.Errorf("menu %q\nwant %q", got, want)
	}
	for _, selector := range []string{"pipe.txt", "sock", "null"} {
		if got := ask(t, s, friend, selector+"\r\n"); got != notFound {
			t.Errorf("selector %q got %q", selector, got)
		}
	}
	if got := ask(t, s, friend, "m\r\n"); got != ".\r\n" {
		t.Errorf("a directory whose gophermap is a pipe: %q", got)
	}
	if got, want := ask(t, s, friend, "search\tp\r\n"), item("i", "Nothing was found.", "")+".\r\n"; got != want {
		t.Errorf("search %q, want %q", got, want)
	}
}

func TestDirectoryIsBounded(t *testing.T) {
	const most = 20
	files := make(map[string]string)
	for i := range most {
		files[fmt.Sprintf("%05d.txt", i)] = ""
	}
	root := makeFiles(t, files)
	s := serveDir(t, root)
	s.entries = most
	if got := ask(t, s, friend, "\r\n"); strings.Count(got, ".txt\t/") != most || strings.Contains(got, "There is more") {
		t.Errorf("menu of as many as there may be: %q", got)
	}
	if err := os.WriteFile(filepath.Join(root, "another.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	got := ask(t, s, friend, "\r\n")
	if n := strings.Count(got, ".txt\t/"); n != most {
		t.Errorf("%d files in a menu of at most %d", n, most)
	}
	if !strings.Contains(got, item("i", "There is more: this menu ends after 20 entries.", "")) {
		t.Errorf("the menu does not say that there is more: %q", got)
	}
}

// TestLongNames has a file deeper than a request can name.
func TestLongNames(t *testing.T) {
	deep := strings.Repeat(strings.Repeat("d", 200)+"/", 5)
	s := newServer(t, map[string]string{deep + "short.txt": "x", deep + strings.Repeat("x", 100) + ".txt": "x"})
	deep = "/" + strings.TrimSuffix(deep, "/")
	if got, want := ask(t, s, friend, deep+"\r\n"), item("0", "short.txt", deep+"/short.txt")+".\r\n"; got != want {
		t.Errorf("menu %q\nwant %q", got, want)
	}
	if got := ask(t, s, friend, deep+"/short.txt\r\n"); got != "x\r\n.\r\n" {
		t.Errorf("file %q", got)
	}
}

func TestRefuseTellsOnlyTheOwner(t *testing.T) {
	for _, tt := range []struct {
		err    error
		logged bool
	}{{fs.ErrPermission, true}, {fs.ErrNotExist, false}, {errNotServable, false}} {
		var log, answer bytes.Buffer
		s := &Server{log: slog.New(slog.NewTextHandler(&log, nil))}
		m := newMenu(&answer, friend)
		s.refuse(m, "notes/a.txt", &fs.PathError{Op: "openat", Path: "notes/a.txt", Err: tt.err})
		m.w.Flush()
		if answer.String() != notFound {
			t.Errorf("%v: answer %q", tt.err, answer.String())
		}
		if got := strings.Contains(log.String(), "notes/a.txt"); got != tt.logged {
			t.Errorf("%v: log %q", tt.err, log.String())
		}
	}
}

func TestKindByContent(t *testing.T) {
	for text, want := range map[string]kind{
		"": kindText, "hello\r\n\tworld": kindText, "caf\xe9": kindText, "\x1b[1mbold": kindText,
		"\x7fELF": kindBinary, "a\x00b": kindBinary, strings.Repeat("a", 512) + "\x00": kindText,
	} {
		f, err := os.Open(filepath.Join(makeFiles(t, map[string]string{"f": text}), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range 2 { // it goes back to the beginning
			if got, err := kindOf("f", f); err != nil || got != want {
				t.Errorf("kindOf(%q) = %c, %v; want %c", text, got, err, want)
			}
		}
	}
}
