package serve

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"tunic/gateway/link"
	"tunic/internal/sockets"
)

// echo is a LAN service that says again what it hears.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	return sockets.Serve(t, sockets.Echo)
}

// says has an echo at the other end say a word.
func says(t *testing.T, c net.Conn, word string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	got := make([]byte, len(word))
	_, err := io.WriteString(c, word)
	if err == nil {
		_, err = io.ReadFull(c, got)
	}
	if err != nil || string(got) != word {
		t.Errorf("%q came back as %q: %v", word, got, err)
	}
}

// TestDrain: what has come in goes on, also without the parent, nobody else is let in,
// and the end of the last stream is the end of serve.
func TestDrain(t *testing.T) {
	conn, file, err := link.Pair()
	if err != nil {
		t.Fatal(err)
	}
	child, err := link.FromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t) // its Server and sockets; the one that drains has a link of its own
	s, err := New(p.serve.log)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { done <- s.Run(ctx, child) }()
	old := link.NewEnd(conn, new(link.Mux))
	go old.Run(ctx)

	p.front("a")
	if err := old.Hand("front/a", p.sockets.Files()["front/a"]); err != nil {
		t.Fatal(err)
	}
	d := link.Desired{TorUID: uint32(os.Getuid()), Fronts: []link.Front{{Onion: "a", Host: "a.onion", Listener: "front/a",
		Ports: []link.Port{{Virtual: 80, Addr: echo(t)}}}}}
	if failed, err := link.Ask(ctx, old, link.Apply, d); err != nil || len(failed) > 0 {
		t.Fatalf("%v, %v", failed, err)
	}
	stream, err := net.Dial("unix", p.path("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	fmt.Fprintf(stream, "PROXY TCP6 fc00:dead:beef:4dad::1:2 ::1 1 80\r\n")
	says(t, stream, "before")
	if n, err := link.Ask(ctx, old, link.Drain, struct{}{}); n != 1 || err != nil {
		t.Errorf("%d streams, %v", n, err)
	}
	says(t, stream, "drained")
	old.Close()
	says(t, stream, "without a parent")

	late, err := net.Dial("unix", p.path("a")) // nobody accepts: it waits in the backlog
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	fmt.Fprintf(late, "PROXY TCP6 fc00:dead:beef:4dad::1:2 ::1 1 80\r\nx")
	late.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := late.Read(make([]byte, 1)); err == nil {
		t.Error("somebody was let in after that")
	}
	p.apply(d) // the next serve has the same socket
	says2 := make([]byte, 1)
	late.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(late, says2); err != nil || string(says2) != "x" {
		t.Errorf("who waited is not served by the next one: %q, %v", says2, err)
	}
	says(t, stream, "beside the next one")
	select {
	case err := <-done:
		t.Errorf("it ended before its stream: %v", err)
	default:
	}
	stream.Close()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(drainLook + 30*time.Second):
		t.Error("it does not end with its last stream")
	}
}
