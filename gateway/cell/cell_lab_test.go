//go:build lab

package cell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/supervise"
)

// TestMain has the test's own binary stand in for the program: as what confines, as a
// cell, and as a daemon that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		var err error
		switch os.Args[1] {
		case "confine":
			err = supervise.Confine(os.Args[2:])
		case Verb:
			err = Main(os.Args[2:])
		case "daemon":
			daemon()
		default:
			os.Exit(m.Run())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const nobody = 65534

var confine = []string{"/proc/self/exe", "confine"}

// conversation is a command that runs, with what a visitor has of it.
type conversation struct {
	*net.UnixConn
	process *supervise.Process
	status  *os.File
	log     *bytes.Buffer
}

// order is one for a line of a shell.
func order(script string) Order {
	return Order{Name: "test", Command: []string{"/bin/sh", "-c", script}, Env: []string{"TUNIC_FRIEND=bob"}, UID: nobody, GID: nobody,
		Time: 2 * time.Minute, Memory: 64 << 20, Processes: 32}
}

func start(t *testing.T, o Order) *conversation {
	t.Helper()
	c, err := converse(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); c.status.Close(); <-c.process.Done() })
	return c
}

func converse(o Order) (*conversation, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(fds[1]), "stream")
	defer theirs.Close()
	ours := os.NewFile(uintptr(fds[0]), "ours")
	defer ours.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	log := new(bytes.Buffer)
	p, err := Start(o, theirs, write, confine, slog.New(slog.NewTextHandler(log, nil)))
	return &conversation{conn.(*net.UnixConn), p, read, log}, err
}

// answer says something, and returns all that comes and the status; -1: none.
func (c *conversation) answer(t *testing.T, say string) (string, int) {
	t.Helper()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, say)
	c.CloseWrite()
	said, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the stream: %v", err)
	}
	status := make([]byte, 1)
	if n, _ := c.status.Read(status); n == 0 {
		return string(said), -1
	}
	return string(said), int(status[0])
}

// A command answers after its input has ended, and its status is told.
func TestCommand(t *testing.T) {
	for _, one := range []struct {
		script, say, want string
		status            int
	}{
		{"read a; echo $TUNIC_FRIEND says $a", "hello\n", "bob says hello\n", 0},
		{"cat; exit 3", "to the end", "to the end", 3},
		{"kill -9 $$", "", "", 137},
		{"exec /nonexistent/program", "", "", 127},
		{"sleep 60 & echo done", "", "done\n", 0}, // what is left in the background does not hold the stream
		{"umask; ulimit -c", "", "0077\n0\n", 0},
	} {
		c := start(t, order(one.script))
		if said, status := c.answer(t, one.say); said != one.want || status != one.status {
			t.Errorf("%s: %q, status %d\n%s", one.script, said, status, c.log)
		}
	}
	o := order("")
	o.Command = []string{"/nonexistent/program"}
	if _, status := start(t, o).answer(t, ""); status != NotFound {
		t.Errorf("a program that is not there: status %d", status)
	}
}

// What a command has not: network, privileges, the user's other processes, descriptors.
func TestWhatACommandHasNot(t *testing.T) {
	c := start(t, order(`id -u; id -G; grep -E "^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)" /proc/self/status | tr -d '\t'
grep -c : /proc/self/net/dev; ls /proc/self/fd | wc -l; echo $$; 
kill -9 1; kill -STOP 1; echo alive; env | grep -c DAEMON_SECRET; cat /proc/self/oom_score_adj`))
	t.Setenv("DAEMON_SECRET", "x")
	want := "65534\n65534\nCapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapAmb:0000000000000000\n" +
		"NoNewPrivs:1\n1\n4\n"
	said, status := c.answer(t, "")
	if !strings.HasPrefix(said, want) || !strings.HasSuffix(said, "alive\n0\n1000\n") || status != 0 {
		t.Errorf("status %d:\n%s\nwant\n%s\n%s", status, said, want, c.log)
	}
	for _, script := range []string{"unshare -U true", "unshare -n true", "nsenter -t 1 -p true"} {
		if said, status := start(t, order(script)).answer(t, ""); status == 0 {
			t.Errorf("%s: %q", script, said)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	o := order("")
	o.Command = []string{"/bin/bash", "-c", fmt.Sprintf("exec 5<>/dev/tcp/127.0.0.1/%d", ln.Addr().(*net.TCPAddr).Port)}
	if said, status := start(t, o).answer(t, ""); status == 0 {
		t.Errorf("it reaches the box's loopback: %q", said)
	}
}

// marks are the processes that have a word of a test's own among theirs.
func marks(word string) (pids []int) {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), word) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func gone(t *testing.T, what, word string, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		left := marks(word)
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s: processes %v are left", what, left)
			for _, pid := range left {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			return
		}
	}
}

// stubborn leaves processes that want to stay: in sessions and groups of their own, deaf
// to signals, without the stream.
const stubborn = `for i in 1 2 3; do setsid sh -c 'trap "" HUP TERM INT PIPE; exec <&- >&- 2>&-; ` +
	`while :; do sleep 0.1; done' WORD & done; echo up; trap "" HUP TERM INT PIPE; while :; do sleep 0.1; done`

func up(t *testing.T, c *conversation) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if b := make([]byte, 3); true {
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatalf("it does not begin: %v\n%s", err, c.log)
		}
	}
}

// Everything ends with the stream, with the first process, and with the time.
func TestEndOfEverything(t *testing.T) {
	t.Run("stream", func(t *testing.T) {
		c := start(t, order(strings.ReplaceAll(stubborn, "WORD", "cell-stream")))
		up(t, c)
		c.CloseWrite()
		time.Sleep(200 * time.Millisecond)
		if len(marks("cell-stream")) < 4 {
			t.Error("the end of the input alone has ended it")
		}
		c.Close()
		gone(t, "the stream was closed", "cell-stream", 30*time.Second)
	})
	t.Run("killed", func(t *testing.T) {
		c := start(t, order(strings.ReplaceAll(stubborn, "WORD", "cell-killed")))
		up(t, c)
		// Not its user's: that could read its memory, and have it do anything (proc(5)).
		if info, err := os.Stat(fmt.Sprintf("/proc/%d/environ", c.process.PID())); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("a command may look into the first process: %v", err)
		}
		c.process.Signal(syscall.SIGKILL)
		gone(t, "the first process was killed", "cell-killed", 30*time.Second)
	})
	t.Run("time", func(t *testing.T) {
		o := order(strings.ReplaceAll(stubborn, "WORD", "cell-time"))
		o.Time = time.Second
		c := start(t, o)
		if _, status := c.answer(t, ""); status != TimeOut {
			t.Errorf("status %d", status)
		}
		gone(t, "the time was over", "cell-time", 30*time.Second)
	})
	t.Run("daemon", func(t *testing.T) {
		d := exec.Command("/proc/self/exe", "daemon")
		out, err := d.StdoutPipe()
		if err == nil {
			err = d.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if b := make([]byte, 3); true {
			io.ReadFull(out, b)
		}
		if len(marks("cell-daemon")) < 4 {
			t.Error("it does not run")
		}
		d.Process.Kill()
		d.Wait()
		gone(t, "the daemon was killed", "cell-daemon", 30*time.Second)
	})
}

// daemon has a conversation until it is killed.
func daemon() {
	c, err := converse(order(strings.ReplaceAll(stubborn, "WORD", "cell-daemon")))
	if err == nil {
		io.CopyN(os.Stdout, c, 3)
		time.Sleep(time.Minute)
	}
	fmt.Println(err)
}

const bomb = `import os # cell-bomb
while True:
    try:
        os.fork()
    except OSError:
        pass
`

// A fork bomb has as many processes as its service may, and no memory is without end.
func TestBounds(t *testing.T) {
	o := order("")
	o.Command = []string{"/usr/bin/python3", "-c", bomb}
	c := start(t, o)
	most, begin := 0, time.Now()
	enough := func() bool {
		took := time.Since(begin)
		return took > 30*time.Second || most >= 4 && took > 2*time.Second
	}
	for ; !enough(); time.Sleep(50 * time.Millisecond) {
		most = max(most, len(childrenOf(c.process.PID())))
	}
	if most > o.Processes || most < 4 {
		t.Errorf("%d processes at a time", most)
	}
	c.Close()
	gone(t, "a fork bomb", "cell-bomb", 30*time.Second)

	o = order(`python3 -c 'b = bytearray(200 << 20); print(len(b))' || echo refused`)
	if said, _ := start(t, o).answer(t, ""); !strings.Contains(said, "refused") {
		t.Errorf("memory: %q", said)
	}
	o.Memory = 400 << 20
	if said, _ := start(t, o).answer(t, ""); said != "209715200\n" {
		t.Errorf("within its memory: %q", said)
	}
}

// childrenOf are the processes in the process namespace of another.
func childrenOf(pid int) (pids []string) {
	want, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	paths, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	for _, path := range paths {
		if is, err := os.Readlink(path); err == nil && is == want {
			pids = append(pids, path)
		}
	}
	return pids
}

// Root is nobody's user, and outside of its namespaces a cell is none.
func TestNoCell(t *testing.T) {
	o := order("true")
	o.UID = 0
	if _, err := converse(o); err == nil {
		t.Error("it runs as root")
	}
	out, err := exec.Command("/proc/self/exe", Verb, first, "5", "1000000", "5", "/bin/true").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no process namespace") {
		t.Errorf("%v %s", err, out)
	}
	out, err = exec.Command("unshare", "-pf", "/proc/self/exe", Verb, first, "5", "1000000", "5", "/bin/true").CombinedOutput()
	if err == nil {
		t.Errorf("%v %s", err, out)
	}
}
