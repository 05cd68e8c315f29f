package socks

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"tunic/internal/native"
)

// proxyKey, in the environment of this test binary, has it serve a proxy alone: its value
// is the address of tor.
const proxyKey = "TUNIC_TT_PROXY"

func TestMain(m *testing.M) {
	if tor := os.Getenv(proxyKey); tor != "" {
		if err := proxyAlone(tor); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// proxyAlone serves until its standard input ends. For each line there it gives back what
// memory it can, as the collector does by itself after two minutes.
func proxyAlone(tor string) error {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			debug.FreeOSMemory()
			fmt.Println("tidy")
		}
		cancel()
	}()
	dialer := net.Dialer{KeepAlive: -1}
	s, err := New(Options{
		Log: slog.New(slog.DiscardHandler), Home: house{}, MaxConns: 20_000, MaxPerDevice: 20_000,
		DialTor: func(ctx context.Context) (*net.TCPConn, error) {
			c, err := dialer.DialContext(ctx, "tcp4", tor)
			if err != nil {
				return nil, err
			}
			return c.(*net.TCPConn), nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return s.Serve(ctx, ln)
}

// child is a process that does nothing but serve a proxy.
type child struct {
	addr string
	pid  int
	in   io.Writer
	out  *bufio.Reader
}

func startChild(t testing.TB, tor string) child {
	t.Helper()
	native.Require(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), proxyKey+"="+tor)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the proxy: %v", err)
		}
	})
	c := child{pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out)}
	if c.addr, err = c.out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.addr = strings.TrimSpace(c.addr)
	return c
}

// resident is the memory that only this process has, in bytes, when it has given back
// what it can.
func (c child) resident(t testing.TB) int {
	t.Helper()
	io.WriteString(c.in, "\n")
	if _, err := c.out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == "Private_Dirty:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no Private_Dirty in smaps_rollup")
	return 0
}

func (c child) files(t testing.TB) int {
	t.Helper()
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
