//go:build lab

package onion

import (
	"encoding/binary"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunic/internal/sockets"
)

// BenchmarkRelay moves bytes from a server through a front, through microsocks
// and through socat, in turns, without Tor. Its metrics are the medians in MB/s,
// and the ratios of the front to each (above 1: the front is faster).
func BenchmarkRelay(b *testing.B) {
	const size, rounds = 64 << 20, 7
	target := sender(b, size)
	front := startFront(b, target)
	socks := startTool(b, "microsocks", "-i", "127.0.0.1", "-p")
	plain := startTool(b, "socat", "TCP4-LISTEN:PORT,bind=127.0.0.1,fork,reuseaddr", "TCP4:"+target)
	ways := map[string]func() net.Conn{
		"front":      func() net.Conn { return ask(b, "unix", front.Said, proxyLine(1, 80)) },
		"microsocks": func() net.Conn { return askSOCKS(b, socks, target) },
		"socat":      func() net.Conn { return ask(b, "tcp", plain, "") },
	}
	rates := make(map[string][]float64)
	for range rounds {
		for name, open := range ways {
			rates[name] = append(rates[name], rate(b, open(), size))
		}
	}
	b.ReportMetric(0, "ns/op")
	for name := range ways {
		b.ReportMetric(middle(rates[name]), name+"-MB/s")
	}
	b.ReportMetric(middle(rates["front"])/middle(rates["microsocks"]), "front/microsocks")
	b.ReportMetric(middle(rates["front"])/middle(rates["socat"]), "front/socat")
}

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// rate reads everything and returns how fast that went, in MB/s.
func rate(b *testing.B, c net.Conn, size int64) float64 {
	b.Helper()
	defer c.Close()
	begin := time.Now()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 1<<20))
	if err != nil || n != size {
		b.Fatalf("%d bytes came, %v", n, err)
	}
	return float64(n) / time.Since(begin).Seconds() / 1e6
}

// sender sends size bytes to whoever connects.
func sender(b testing.TB, size int64) string {
	b.Helper()
	block := make([]byte, 1<<20)
	return sockets.Serve(b, func(c net.Conn) {
		for left := size; left > 0; {
			n, err := c.Write(block[:min(left, int64(len(block)))])
			if err != nil {
				return
			}
			left -= int64(n)
		}
	}).String()
}

// startTool starts a relay on a free port, which stands in its last argument, or
// for PORT in another, and returns its address.
func startTool(b *testing.B, name string, args ...string) string {
	b.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	if last := &args[len(args)-1]; *last == "-p" {
		args = append(args, port)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "PORT", port)
	}
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		b.Fatalf("starting %s: %v: run make lab-deps", name, err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // it has no other end
		_ = cmd.Wait()
	})
	for range 500 {
		if c, err := net.Dial("tcp4", addr); err == nil {
			c.Close()
			return addr
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.Fatalf("%s does not listen", name)
	return ""
}

func ask(b *testing.B, network, addr, say string) net.Conn {
	b.Helper()
	c, err := net.Dial(network, addr)
	if err == nil {
		_, err = io.WriteString(c, say)
	}
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// askSOCKS connects through a SOCKS5 proxy (RFC 1928).
func askSOCKS(b *testing.B, proxy, target string) net.Conn {
	b.Helper()
	to, err := net.ResolveTCPAddr("tcp4", target)
	if err != nil {
		b.Fatal(err)
	}
	request := append([]byte{5, 1, 0, 1}, to.IP.To4()...)
	c := ask(b, "tcp4", proxy, "\x05\x01\x00")
	answer := make([]byte, 2)
	if _, err := io.ReadFull(c, answer); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Write(binary.BigEndian.AppendUint16(request, uint16(to.Port))); err != nil {
		b.Fatal(err)
	}
	answer = make([]byte, 10)
	if _, err := io.ReadFull(c, answer); err != nil || answer[1] != 0 {
		b.Fatalf("the proxy answered %v, %v", answer, err)
	}
	return c
}

// TestNoCopy watches the system calls of a front while it relays: what moves the
// bytes is splice(2), and no byte passes through its memory but tor's line and what comes
// first, which is copied since it may be all that there is.
func TestNoCopy(t *testing.T) {
	const size = 32 << 20
	c := startFront(t, sender(t, size))
	out := t.TempDir() + "/calls"
	trace := exec.Command("strace", "-f", "-qq", "-p", strconv.Itoa(c.PID), "-o", out, "-e",
		"trace=splice,read,write,sendto,recvfrom,sendmsg,recvmsg,readv,writev")
	stderr, err := trace.StderrPipe()
	if err == nil {
		err = trace.Start()
	}
	if err != nil {
		t.Fatalf("%v: run make lab-deps", err)
	}
	waitTraced(t, c.PID)
	conn, err := net.Dial("unix", c.Said)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, proxyLine(1, 80))
	n, err := io.Copy(io.Discard, conn)
	if err != nil || n != size {
		t.Fatalf("%d bytes came, %v", n, err)
	}
	_ = trace.Process.Signal(interrupt)
	said, _ := io.ReadAll(stderr)
	_ = trace.Wait() // it ends by our signal
	spliced, copied := countMoved(t, out)
	t.Logf("spliced %d bytes, copied %d", spliced, copied)
	if spliced+copied < size || copied > 16<<10 {
		t.Errorf("of %d bytes %d were spliced, %d copied; strace said: %s", size, spliced, copied, said)
	}
}
