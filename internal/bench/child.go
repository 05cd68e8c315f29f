package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"testing"

	"tunic/internal/native"
	"tunic/internal/proc"
)

// Child is a process of a test binary that does one thing alone, so that what it takes can
// be told from what the test does.
type Child struct {
	Said string // its first line, which says where it serves
	PID  int

	in  io.WriteCloser
	out *bufio.Reader
}

// UntilInputEnds is for the child: it returns a context that ends with standard input. For
// each line there it gives back what memory it can, as the collector does by itself after
// two minutes. A profile of that time is kept (Profiled).
func UntilInputEnds() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	kept := Profiled()
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			debug.FreeOSMemory()
			fmt.Println("tidy")
		}
		kept()
		cancel()
	}()
	return ctx
}

// Profile is the variable of the environment with the file into which a profile of the process
// that is measured goes (`make flames`).
const Profile = "TUNIC_PROFILE"

// Profiled begins a profile of this process's processor time, if one is asked for. It is kept when
// the function is called that it returns.
func Profiled() (kept func()) {
	path := os.Getenv(Profile)
	if path == "" {
		return func() {}
	}
	f, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "there is no profile:", err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "the profile is not whole:", err)
		}
	}
}

// StartChild starts this test binary with one more variable, "NAME=VALUE", waits for its
// first line, and ends it after the test.
func StartChild(t testing.TB, variable string) *Child {
	t.Helper()
	native.Require(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable)
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
	c := &Child{PID: cmd.Process.Pid, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the process with %s: %v", variable, err)
		}
	})
	c.Said = c.line(t)
	return c
}

func (c *Child) line(t testing.TB) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// Idle says what a stream takes of the process, in bytes and in open files, that open has
// opened and on which nothing moves: the mean of n.
func (c *Child) Idle(t testing.TB, n int, open func(n int)) (memory int, files float64) {
	t.Helper()
	open(50) // what the process needs for the first ones is not theirs
	memoryBefore, filesBefore := c.memory(t), c.files(t)
	open(n)
	memory, files = (c.memory(t)-memoryBefore)/n, float64(c.files(t)-filesBefore)/float64(n)
	t.Logf("an idle stream takes %d bytes and %.2f open files", memory, files)
	return memory, files
}

// memory is what the process alone has in memory, in bytes (proc_pid_smaps(5),
// Private_Dirty), without what it would give back by itself.
func (c *Child) memory(t testing.TB) int {
	t.Helper()
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		t.Fatal(err)
	}
	c.line(t)
	kb := proc.Number(c.PID, "smaps_rollup", "Private_Dirty")
	if kb == 0 {
		t.Fatal("the process says nothing of its memory")
	}
	return int(kb << 10)
}

// files counts what the process has open.
func (c *Child) files(t testing.TB) int {
	t.Helper()
	n, err := proc.Files(c.PID)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
