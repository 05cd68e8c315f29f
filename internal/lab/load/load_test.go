package load

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"tunic/internal/lab/traffic"
)

// What takes long does not keep the next from being begun, and what fails is told.
func TestAgain(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	bad := errors.New("it does not work")
	got := Again(ctx, 10*time.Millisecond, func(i int) error {
		switch i {
		case 0:
			time.Sleep(300 * time.Millisecond)
		case 1:
			return bad
		}
		return nil
	})
	if got.Times < 4 || got.Slowest < 300*time.Millisecond || len(got.Failed) != 1 || !errors.Is(got.Failed[0], bad) {
		t.Errorf("%+v", got)
	}
}

// serve answers each connection by f.
func serve(t *testing.T, f func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				f(conn)
			}()
		}
	}()
	return l.Addr().String()
}

func TestFetchAndConnect(t *testing.T) {
	var here traffic.Host
	answers := serve(t, func(c net.Conn) {
		if _, err := bufio.NewReader(c).ReadString('\n'); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\n")
		}
	})
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	if err := Fetch(t.Context(), here, answers, "/", 30*time.Second); err != nil {
		t.Error(err)
	}
	if err := Fetch(t.Context(), here, silent, "/", 50*time.Millisecond); err == nil {
		t.Error("nobody has answered, and that is fine")
	}
	if err := Connect(t.Context(), here, silent, 30*time.Second); err != nil {
		t.Error(err)
	}
}

func TestTalk(t *testing.T) {
	for name, c := range map[string]struct {
		server func(net.Conn)
		ok     bool
	}{
		"echo":         {func(c net.Conn) { _, _ = io.Copy(c, c) }, true},
		"another word": {func(c net.Conn) { _, _ = io.WriteString(c, "howdy\n") }, false},
		"cut":          {func(c net.Conn) {}, false},
	} {
		conn, err := net.Dial("tcp", serve(t, c.server))
		if err != nil {
			t.Fatal(err)
		}
		if err := Talk(conn); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
}

// A download that is cut says so; one that its reader ends was not cut.
func TestDownload(t *testing.T) {
	endless := serve(t, func(c net.Conn) {
		for {
			if _, err := c.Write(make([]byte, Step)); err != nil {
				return
			}
		}
	})
	short := serve(t, func(c net.Conn) { _, _ = c.Write(make([]byte, Step+1)) })
	for address, cut := range map[string]bool{endless: false, short: true} {
		d, err := Begin(t.Context(), traffic.Host{}, address)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		d.Run(ctx)
		cancel()
		d.Conn.Close()
		if d.Bytes < Step || (d.Err != nil) != cut {
			t.Errorf("%d bytes, %v; cut %v", d.Bytes, d.Err, cut)
		}
	}
}
