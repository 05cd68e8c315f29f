//go:build lab

package socks

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tunic/internal/bench"
	"tunic/internal/sockets"
)

const (
	benchRounds = 5
	benchTime   = 2 * time.Second
	atOnce      = 32
)

// peer is a proxy that is measured.
type peer struct {
	name, addr string
	pid        int
}

// BenchmarkPeers opens connections through the proxy, through sing-box, which hands them on
// by SOCKS with a login as this one does, and through microsocks, which connects to the
// target itself: half the work.
func BenchmarkPeers(b *testing.B) {
	tor, target := sockets.Serve(b, torAndTarget).String(), sockets.Serve(b, sockets.Echo).String()
	own := startProxy(b, sockets.ServeUnix(b, torAndTarget)) // as on a box; sing-box knows TCP alone
	// What is outside is of no matter where the stub is also the target.
	targets := map[string]string{"tunic": "203.0.113.1:80", "sing-box": "203.0.113.1:80", "microsocks": target}
	peers := []peer{{"tunic", own.Said, own.PID}, startSingBox(b, tor), startMicrosocks(b)}
	var ways []bench.Way
	cpu := make(map[string][]float64)
	for _, p := range peers {
		ways = append(ways, bench.Way{Name: p.name, Once: func() float64 {
			before := bench.CPU(b, p.pid)
			n, took := connections(b, p.addr, targets[p.name])
			cpu[p.name] = append(cpu[p.name], float64((bench.CPU(b, p.pid)-before).Microseconds())/n)
			return n / took.Seconds()
		}})
	}
	seen := bench.Turns(benchRounds, ways)
	for peer, goal := range map[string]float64{"sing-box": 1.1, "microsocks": 0.9} {
		bench.Report(b, bench.Compare("socks: connections, "+peer, "1/s", bench.More, goal, seen, peer), seen)
		bench.Report(b, bench.Compare("socks: processor, "+peer, "us", bench.Less, 1, cpu, peer), cpu)
	}
	memory, _ := idle(b)
	bench.Report(b, bench.Against("socks: an idle connection", "B", bench.Less, 10<<10, []float64{float64(memory)}), nil)
	b.ReportMetric(0, "ns/op")
}

// connections opens some until the time is over, says one byte on each and hears it, and
// returns how many that were.
func connections(b *testing.B, proxy, target string) (n float64, took time.Duration) {
	b.Helper()
	return bench.Many(b, atOnce, benchTime, func(int) error { return once(proxy, target) })
}

func once(proxy, target string) error {
	c, err := net.Dial("tcp4", proxy)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	to := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(target))
	request := append([]byte{5, 1, 0, 1}, to.IP.To4()...)
	answer := make([]byte, 10)
	for _, turn := range []struct {
		say  []byte
		hear int
	}{{[]byte{5, 1, 0}, 2}, {append(request, byte(to.Port>>8), byte(to.Port)), 10}, {[]byte("x"), 1}} {
		if _, err := c.Write(turn.say); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, answer[:turn.hear]); err != nil {
			return err
		}
		if turn.hear > 1 && answer[1] != 0 {
			return fmt.Errorf("answer % x", answer[:turn.hear])
		}
	}
	return nil
}

// torAndTarget is tor's SocksPort, which takes any login and any request for an IPv4
// address, and the target in one.
func torAndTarget(c net.Conn) {
	b := make([]byte, 512)
	if _, err := c.Read(b); err != nil { // the greeting
		return
	}
	if _, err := c.Write([]byte{5, 2}); err != nil {
		return
	}
	n, err := c.Read(b)
	if err != nil {
		return
	}
	login := 3 + int(b[1]) + int(b[2+int(b[1])])
	answer := []byte{1, 0}
	if n == login {
		if _, err := c.Write(answer); err != nil {
			return
		}
		answer = nil
		if _, err := c.Read(b); err != nil {
			return
		}
	}
	if _, err := c.Write(append(answer, success...)); err != nil {
		return
	}
	sockets.Echo(c)
}

// startSingBox starts the sing-box that `make bench-socks` has built.
func startSingBox(b *testing.B, tor string) peer {
	b.Helper()
	addr, up := freeAddr(b), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tor))
	text := fmt.Sprintf(`{"log": {"disabled": true},
"inbounds": [{"type": "socks", "listen": "127.0.0.1", "listen_port": %d}],
"outbounds": [{"type": "socks", "server": "127.0.0.1", "server_port": %d, "version": "5",
	"username": "user", "password": "0123456789abcdef"}]}`,
		netip.MustParseAddrPort(addr).Port(), up.Port)
	path := filepath.Join(b.TempDir(), "sing-box.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return startPeer(b, "sing-box", addr, os.Getenv("TUNIC_SING_BOX"), "run", "-c", path)
}

func startMicrosocks(b *testing.B) peer {
	b.Helper()
	addr := freeAddr(b)
	return startPeer(b, "microsocks", addr, "microsocks", "-i", "127.0.0.1", "-p", fmt.Sprint(netip.MustParseAddrPort(addr).Port()))
}

func startPeer(b *testing.B, name, addr, program string, args ...string) peer {
	b.Helper()
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		b.Fatalf("starting %s: %v: run make bench-socks, which installs it", name, err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 200 {
		if c, err := net.Dial("tcp4", addr); err == nil {
			c.Close()
			return peer{name, addr, cmd.Process.Pid}
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatalf("%s does not listen", name)
	return peer{}
}

func freeAddr(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
