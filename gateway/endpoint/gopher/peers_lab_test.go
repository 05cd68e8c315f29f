//go:build lab

package gopher

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/endpoint"
	"tunic/internal/bench"
	"tunic/internal/sockets"
)

// serverKey, in the environment of this test binary, has it serve Gopher alone: its value
// is the directory.
const serverKey = "TUNIC_TT_GOPHER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverKey); dir != "" {
		if err := serveAlone(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveAlone serves until its standard input ends.
func serveAlone(dir string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := ln.Addr().(*net.TCPAddr)
	s, err := New(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	visitor := func(net.Conn) endpoint.Visitor {
		return endpoint.Visitor{Host: "127.0.0.1", Port: uint16(addr.Port), ID: "x"}
	}
	ctx := bench.UntilInputEnds()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	fmt.Println(addr)
	limits := endpoint.NewLimiter(endpoint.Limits{MaxConns: 100, Idle: time.Second, Total: time.Minute})
	_ = endpoint.Serve(ctx, ln, s, limits, visitor, slog.New(slog.DiscardHandler)) // it ends by the context
	return nil
}

// BenchmarkPeers asks our server and gophernicus, which is started for each connection as a
// socket unit does, for a menu and for a text, in turns.
//
// gophernicus counts the requests of an address in shared memory that outlives it
// (0xbeeb0008), and from 4,096 on sleeps for a second before each answer. That is its
// own brake and nothing that is compared here: the memory is taken from it before each turn, which
// has far fewer requests.
func BenchmarkPeers(b *testing.B) {
	const rounds = 5
	files := map[string]string{"text.txt": strings.Repeat("a line of the text\n", 200)}
	for i := range 30 {
		files[fmt.Sprintf("file%02d.txt", i)] = "x\n"
	}
	own := bench.StartChild(b, serverKey+"="+makeFiles(b, files))
	theirs := gophernicus(b, files)
	for _, what := range []struct{ name, selector string }{{"menu", "/"}, {"text", "/text.txt"}} {
		cpu := make(map[string][]float64)
		way := func(name, addr string, requests int, used func() time.Duration) bench.Way {
			return bench.Way{Name: name, Once: func() float64 {
				before := used()
				perSecond := askMany(b, addr, what.selector, requests)
				cpu[name] = append(cpu[name], float64((used()-before).Microseconds())/float64(requests))
				return perSecond
			}}
		}
		seen := bench.Turns(rounds, []bench.Way{
			way("tunic", own.Said, 8000, func() time.Duration { return bench.CPU(b, own.PID) }),
			way("gophernicus", theirs, 400, func() time.Duration { forget(b); return ofChildren(b) }),
		})
		bench.Report(b, bench.Compare("gopher "+what.name+": requests", "1/s", bench.More, 5, seen, "gophernicus"), seen)
		bench.Report(b, bench.Compare("gopher "+what.name+": processor", "us", bench.Less, 5, cpu, "gophernicus"), cpu)
	}
	b.ReportMetric(0, "ns/op")
}

// askMany makes requests, eight at once, and returns how many a second were answered.
func askMany(b *testing.B, addr, selector string, requests int) float64 {
	b.Helper()
	var made atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range 8 {
		all.Go(func() {
			for int(made.Add(1)) <= requests && !b.Failed() {
				fetch(b, addr, selector)
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return float64(requests) / time.Since(begin).Seconds()
}

// forget removes what gophernicus has counted (ipcrm(1)); the first time there is nothing.
func forget(b *testing.B) {
	b.Helper()
	const segment = "0xbeeb0008"
	out, err := exec.Command("ipcrm", "-M", segment).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "invalid key") && !strings.Contains(string(out), "already removed") {
		b.Fatalf("ipcrm: %v: %s", err, out)
	}
}

// ofChildren is the processor's time of processes that this one has started and that have ended.
func ofChildren(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func fetch(b *testing.B, addr, selector string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "%s\r\n", selector)
	if got, err := io.ReadAll(c); err != nil || len(got) < 500 {
		b.Errorf("%d bytes of %s: %v", len(got), selector, err)
	}
}

const nobody = 65534

// gophernicus serves the files, as a user that it does not refuse to run as.
func gophernicus(b *testing.B, files map[string]string) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "hole")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return sockets.Serve(b, func(c net.Conn) {
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			return
		}
		defer f.Close()
		cmd := exec.Command("/usr/sbin/gophernicus", "-nf", "-nl", "-r", dir, "-h", "127.0.0.1")
		cmd.Stdin, cmd.Stdout = f, f
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		_ = cmd.Run() // what it says is compared by its reader
	}).String()
}
