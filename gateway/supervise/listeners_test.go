package supervise

import (
	"context"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnixListenerHasItsModeAndOutlivesAccepters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	if err := os.WriteFile(path, nil, 0o600); err != nil { // a stale one is replaced
		t.Fatal(err)
	}
	spec := ListenerSpec{Name: "front", Network: "unix", Path: path, Mode: 0o660, UID: os.Getuid(), GID: os.Getgid()}
	var l Listeners
	defer l.Close()
	if err := l.Set(t.Context(), []ListenerSpec{spec}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Fatalf("Stat = %v, %v", info.Mode(), err)
	}
	for range 2 { // each round is one life of the child
		ln, err := net.FileListener(l.Files()["front"])
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		a, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		a.Close()
		c.Close()
		ln.(*net.UnixListener).SetUnlinkOnClose(false)
		ln.Close()
	}
}

func TestSetKeepsAndDrops(t *testing.T) {
	free := func(network string) uint16 {
		ln, err := net.Listen(network, ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		return uint16(ln.Addr().(*net.TCPAddr).Port)
	}
	port := free("tcp4")
	tcp := ListenerSpec{Name: "tcp", Network: "tcp4", Port: port}
	udp := ListenerSpec{Name: "udp", Network: "udp6", Port: port}
	var l Listeners
	defer l.Close()
	if err := l.Set(t.Context(), []ListenerSpec{tcp, udp}); err != nil {
		t.Fatal(err)
	}
	kept := l.Files()["udp"]
	bad := ListenerSpec{Name: "bad", Network: "tcp4", Port: port, Interface: "no-such-if0"}
	err := l.Set(t.Context(), []ListenerSpec{udp, bad})
	if err == nil || !strings.Contains(err.Error(), "bad") {
		t.Errorf("an impossible listener: %v", err)
	}
	if l.Files()["udp"] != kept || len(l.Files()) != 1 {
		t.Errorf("open now: %v", l.Files())
	}
	again, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", "0"))
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if err := l.Set(t.Context(), []ListenerSpec{tcp}); err != nil {
		t.Errorf("a dropped port cannot be opened again: %v", err)
	}
}

func TestTooLongPathIsExplained(t *testing.T) {
	var l Listeners
	err := l.Set(context.Background(), []ListenerSpec{{Name: "x", Network: "unix", Path: "/" + strings.Repeat("x", 120)}})
	if err == nil || !strings.Contains(err.Error(), "shorter root") {
		t.Errorf("got %v", err)
	}
}

// A socket with an address is at that one alone.
func TestListenerAtAnAddress(t *testing.T) {
	var l Listeners
	defer l.Close()
	if err := l.Set(t.Context(), []ListenerSpec{{Name: "own", Network: "udp4", Addr: netip.MustParseAddr("127.0.0.1")}}); err != nil {
		t.Fatal(err)
	}
	pc, err := net.FilePacketConn(l.Files()["own"])
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if at := pc.LocalAddr().(*net.UDPAddr); !at.IP.Equal(net.IPv4(127, 0, 0, 1)) {
		t.Errorf("it listens at %v", at)
	}
}
