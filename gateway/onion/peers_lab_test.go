//go:build lab

package onion

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tunic/internal/bench"
	"tunic/internal/sockets"
)

// BenchmarkPeers opens streams, 32 at once, through a front and through HAProxy behind
// the same line of a proxy, in turns, without Tor.
func BenchmarkPeers(b *testing.B) {
	const rounds = 5
	target := sockets.Serve(b, sockets.Echo).String()
	front := startFront(b, target)
	sockets := map[string]string{"tunic": front.Said, "haproxy": filepath.Join(b.TempDir(), "s")}
	pids := map[string]int{"tunic": front.PID, "haproxy": startHAProxy(b, sockets["haproxy"], target)}
	cpu := make(map[string][]float64)
	var ways []bench.Way
	for name, socket := range sockets {
		ways = append(ways, bench.Way{Name: name, Once: func() float64 {
			before := bench.CPU(b, pids[name])
			n, took := streams(b, socket)
			cpu[name] = append(cpu[name], float64((bench.CPU(b, pids[name])-before).Microseconds())/n)
			return n / took.Seconds()
		}})
	}
	seen := bench.Turns(rounds, ways)
	bench.Report(b, bench.Compare("front: streams", "1/s", bench.More, 1.1, seen, "haproxy"), seen)
	bench.Report(b, bench.Compare("front: processor", "us", bench.Less, 1, cpu, "haproxy"), cpu)
	memory, _ := idle(b)
	bench.Report(b, bench.Against("front: an idle stream", "B", bench.Less, 4<<10, []float64{float64(memory)}), nil)
	b.ReportMetric(0, "ns/op")
}

// streams opens some for two seconds, says a byte on each and hears it, and returns how
// many that were.
func streams(b *testing.B, socket string) (n float64, took time.Duration) {
	b.Helper()
	return bench.Many(b, 32, 2*time.Second, func(worker int) error { return oneStream(socket, proxyLine(uint32(worker+1), 80)+"x") })
}

func oneStream(socket, say string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, say); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 1))
	return err
}

// startHAProxy has HAProxy stand before target as a front does, and returns its process.
func startHAProxy(b *testing.B, socket, target string) int {
	b.Helper()
	path := filepath.Join(b.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf(`global
	maxconn 4000
defaults
	mode tcp
	option splice-auto
	timeout connect 5s
	timeout client 1m
	timeout server 1m
listen front
	bind unix@%s accept-proxy
	server target %s
`, socket, target)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("haproxy", "-db", "-f", path)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatalf("starting haproxy: %v: run make bench-fronts, which installs it", err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // it has no other end
		_ = cmd.Wait()
	})
	for range 200 {
		if oneStream(socket, proxyLine(1, 80)+"x") == nil {
			return cmd.Process.Pid
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.Fatal("haproxy does not serve")
	return 0
}
