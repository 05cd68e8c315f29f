package onion

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

// frontKey, in the environment of this test binary, has it serve a front alone:
// "SOCKET TARGET", where TARGET is HOST:PORT.
const frontKey = "TUNIC_TT_FRONT"

func TestMain(m *testing.M) {
	if words := strings.Fields(os.Getenv(frontKey)); len(words) == 2 {
		if err := frontAlone(words[0], words[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// frontAlone serves until its standard input ends. For each line there it gives
// back what memory it can, as the collector does by itself after two minutes.
func frontAlone(socket, target string) error {
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
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
	f := &Front{TorUID: me(), Limits: NewShare(10_000, 10_000), Log: slog.New(slog.DiscardHandler)}
	f.SetRoutes(ctx, map[uint16]Route{80: {"a", Relay{Dial: dialTo(target)}}})
	fmt.Println("ready")
	return f.Serve(ctx, ln)
}

// child is a process that does nothing but serve a front.
type child struct {
	socket string
	pid    int
	in     io.Writer
	out    *bufio.Reader
}

func startChild(t testing.TB, target string) child {
	t.Helper()
	native.Require(t)
	dir, err := os.MkdirTemp("", "front")
	if err != nil {
		t.Fatal(err)
	}
	c := child{socket: filepath.Join(dir, "s")}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), frontKey+"="+c.socket+" "+target)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	c.in, c.out = stdin, bufio.NewReader(stdout)
	if err == nil {
		_, err = c.out.ReadString('\n')
	}
	if err != nil {
		t.Fatal(err)
	}
	c.pid = cmd.Process.Pid
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // it says nothing that a test would want to know
		os.RemoveAll(dir)
	})
	return c
}

// resident is the memory of the process in bytes (proc_pid_status(5), VmRSS),
// without what it would give back by itself.
func (c child) resident(t testing.TB) int {
	t.Helper()
	io.WriteString(c.in, "\n")
	if _, err := c.out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("the process says nothing of its memory")
	return 0
}

// files counts what the process has open.
func (c child) files(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
