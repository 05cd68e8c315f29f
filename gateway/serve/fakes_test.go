package serve

import (
	"net"
	"net/netip"
	"testing"
)

// service listens on loopback as a host of the house would, and answers each
// connection by itself, which it closes when that returns.
func service(t *testing.T, answer func(net.Conn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// dialed is a TCP connection whose other end is handled by a fake.
func dialed(handle func(net.Conn)) (*net.TCPConn, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		defer ln.Close()
		if c, err := ln.Accept(); err == nil {
			defer c.Close()
			handle(c)
		}
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
