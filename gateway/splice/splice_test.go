package splice

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{c, d} {
		c.SetDeadline(time.Now().Add(20 * time.Second))
		t.Cleanup(func() { c.Close() })
	}
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

// Whatever the pieces in which it comes, all arrives, in order, and is counted; the end too.
func TestMove(t *testing.T) {
	for name, sizes := range map[string][]int{
		"nothing": {}, "a byte": {1}, "little": {littleBytes - 1}, "just not little": {littleBytes}, "more": {littleBytes + 1, 5, 1},
		"a pipe": {pipeBytes}, "much": {1<<20 + 3, 1, littleBytes, 3 << 20},
	} {
		in, src := pair(t)
		dst, out := pair(t)
		var want bytes.Buffer
		go func() {
			defer in.CloseWrite()
			for _, n := range sizes {
				b := make([]byte, n)
				rand.Read(b)
				want.Write(b)
				in.Write(b)
				time.Sleep(time.Millisecond) // so that it comes in pieces
			}
		}()
		done := make(chan int64, 1)
		go func() {
			n, err := Move(dst, src, 0)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			dst.CloseWrite()
			done <- n
		}()
		got, err := io.ReadAll(out)
		if n := <-done; err != nil || n != int64(want.Len()) || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s: %d bytes of %d, %d counted, %v", name, len(got), want.Len(), n, err)
		}
	}
}

// What is no socket is copied.
func TestMoveWithoutSockets(t *testing.T) {
	in, src := net.Pipe()
	dst, out := pair(t)
	go func() { io.WriteString(in, "hello"); in.Close() }()
	if n, err := Move(dst, src, 0); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	dst.CloseWrite()
	if b, err := io.ReadAll(out); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// An end that takes nothing is given up when patience is over, and a broken one at once.
func TestMoveEnds(t *testing.T) {
	in, src := pair(t)
	dst, _ := pair(t)
	go func() {
		for block := make([]byte, 1<<20); ; {
			if _, err := in.Write(block); err != nil {
				return
			}
		}
	}()
	if _, err := Move(dst, src, 200*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an end that takes nothing: %v", err)
	}
	in.Close()
	src.Close()
	if _, err := Move(dst, src, 0); !errors.Is(err, net.ErrClosed) {
		t.Errorf("from a closed end: %v", err)
	}
}

func TestOnOwnStack(t *testing.T) {
	ran := false
	OnOwnStack(func() { ran = true })
	if !ran {
		t.Error("it did not wait")
	}
	defer func() {
		if p := recover(); p != "on purpose" {
			t.Errorf("the panic became %v", p)
		}
	}()
	OnOwnStack(func() { panic("on purpose") })
}
