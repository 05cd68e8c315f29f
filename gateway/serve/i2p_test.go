package serve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/internal/sockets"
)

// i2pd stands in for one: it knows one name, and tells it which was asked for.
func i2pd(t *testing.T) netip.AddrPort {
	return sockets.Serve(t, func(c net.Conn) {
		b := make([]byte, 3)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "\x05\x01\x00" {
			return
		}
		c.Write([]byte("\x05\x00"))
		head := make([]byte, 5)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		rest := make([]byte, int(head[4])+2)
		if _, err := io.ReadFull(c, rest); err != nil {
			return
		}
		name := string(rest[:head[4]])
		if name == "away.i2p" {
			c.Write([]byte("\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"))
			return
		}
		c.Write([]byte("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"))
		line, _ := bufio.NewReader(c).ReadString('\n')
		fmt.Fprintf(c, "%s %d %s", name, int(rest[len(rest)-2])<<8|int(rest[len(rest)-1]), line)
	})
}

// Who dials an address comes to the name that it stands for, and nowhere by any other.
func TestI2PLeads(t *testing.T) {
	i := newI2P(i2pd(t))
	i.names.Set(netip.MustParsePrefix("10.193.0.0/16"))
	at, _ := i.names.Addr("phone", "stats.i2p")
	away, _ := i.names.Addr("phone", "away.i2p")
	for to, want := range map[netip.Addr]string{at: "stats.i2p 8080 hello\n", away: "", netip.MustParseAddr("203.0.113.80"): ""} {
		device, ours := sockets.Pair(t)
		done := make(chan error, 1)
		go func() { done <- i.lead(t.Context(), ours, netip.AddrPortFrom(to, 8080)); ours.Close() }()
		io.WriteString(device, "hello\n")
		device.SetDeadline(time.Now().Add(30 * time.Second))
		got, _ := io.ReadAll(device)
		err := <-done // where it has led, how the device's end went does not matter
		if string(got) != want || want == "" && err == nil {
			t.Errorf("%v: %q, %v", to, got, err)
		} else if err != nil && strings.Contains(err.Error(), ".i2p") {
			t.Errorf("the error names whom a device visits: %v", err)
		}
	}
}

// A visitor by I2P is a stream for the front, with a number of its own; what it and the
// server say arrives.
func TestByI2P(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams := make(chan onion.Stream, 2)
	ctx, cancel := context.WithCancel(t.Context())
	f := &onion.Front{TorUID: uint32(os.Geteuid()), Limits: onion.NewShare(4, 8), Log: slog.New(slog.DiscardHandler)}
	f.SetRoutes(ctx, map[uint16]onion.Route{80: {Key: "x", Handler: echoing{streams}}})
	served := make(chan error, 1)
	go func() {
		served <- f.Serve(ctx, byI2P{&door{Listener: ln, shut: ctx, closed: make(chan struct{}), forget: func() bool { return true }}, 80})
	}()
	for _, from := range []string{"127.1.2.3", "127.9.9.9"} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.DialContext(ctx, "tcp4", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "hello")
		c.(*net.TCPConn).CloseWrite()
		c.SetDeadline(time.Now().Add(30 * time.Second))
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("%s: %q, %v", from, got, err)
		}
		c.Close()
		s, four := <-streams, netip.MustParseAddr(from).As4()
		if s.Port != 80 || s.Circuit != uint32(four[0])<<24|uint32(four[1])<<16|uint32(four[2])<<8|uint32(four[3]) {
			t.Errorf("%s: %+v", from, s)
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if n := f.Counts(); n.Streams != 2 || n.Active != 0 {
		t.Errorf("%+v", n)
	}
}

// echoing says back what it hears.
type echoing struct{ streams chan<- onion.Stream }

// ServeStream implements onion.Handler.
func (e echoing) ServeStream(_ context.Context, c *net.UnixConn, s onion.Stream) error {
	e.streams <- s
	_, err := io.Copy(c, c)
	return err
}

// With a host of its own a service is asked by I2P too by its address there, and by no
// other name of I2P, which anybody can have.
func TestHostOfAnOnionByI2P(t *testing.T) {
	page := listenPage(t)
	p := start(t)
	p.front("photos")
	at := p.tcp("i2p/photos/80")
	p.apply(link.Desired{Fronts: []link.Front{{Onion: "photos", Host: "key.onion", Listener: "front/photos",
		Ports: []link.Port{{Virtual: 80, Addr: page, HTTPHost: "photos.lan"}},
		I2P:   &link.I2PFront{Host: "letters.b32.i2p", Ports: []link.I2PPort{{Virtual: 80, Listener: "i2p/photos/80"}}}}}})
	for host, want := range map[string]bool{"letters.b32.i2p": true, "LETTERS.b32.i2p:80": true, "photos.lan": true,
		"other.b32.i2p": false, "attacker.i2p": false, "x.letters.b32.i2p": false, "attacker.example": false} {
		c, err := net.Dial("tcp4", at)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		got, _ := io.ReadAll(c)
		c.Close()
		if strings.HasPrefix(string(got), "told GET / HTTP/1.1\r\nHost: photos.lan") != want {
			t.Errorf("%s: %q", host, got)
		}
	}
}
