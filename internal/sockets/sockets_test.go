package sockets

import (
	"io"
	"net"
	"testing"
	"time"
)

// An echo says all back, and its end is heard when the other side has said all.
func TestEcho(t *testing.T) {
	c, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(Serve(t, Echo)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(c); err != nil || string(said) != "hello" {
		t.Errorf("%q, %v", said, err)
	}
}

// Each connection has its own answer, and a server that its test has ended takes none.
func TestServe(t *testing.T) {
	var addr string
	t.Run("two at once", func(t *testing.T) {
		addr = Serve(t, func(c net.Conn) { io.WriteString(c, "bye") }).String()
		for range 2 {
			c, err := net.Dial("tcp4", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(30 * time.Second))
			if said, err := io.ReadAll(c); err != nil || string(said) != "bye" {
				t.Errorf("%q, %v", said, err)
			}
		}
	})
	if c, err := net.Dial("tcp4", addr); err == nil {
		c.Close()
		t.Error("it takes connections after its test")
	}
}

func TestPair(t *testing.T) {
	a, b := Pair(t)
	for _, x := range []struct{ from, to *net.TCPConn }{{a, b}, {b, a}} {
		x.to.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := x.from.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(x.to, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	}
}
