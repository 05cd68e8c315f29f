package supervise

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tunic/internal/native"
)

// The test binary is also what confines.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "confine" {
		println(Confine(os.Args[2:]).Error())
		os.Exit(9)
	}
	os.Exit(m.Run())
}

// confined starts a script within limits.
func confined(t *testing.T, l Limits, script string) *Process {
	t.Helper()
	native.Require(t)
	p := shell(t, script, func(c *Command) {
		c.Path, c.Confine, c.Limits = "sh", []string{os.Args[0], "confine"}, l
	}, nil)
	await(t, p)
	return p
}

// TestOOMScore: whatever the daemon's own is, a child has what was said.
func TestOOMScore(t *testing.T) {
	for _, want := range []int{0, 500} {
		p := confined(t, Limits{OOMScore: want}, "cat /proc/self/oom_score_adj")
		if own, _ := os.ReadFile("/proc/self/oom_score_adj"); want == 0 && strings.TrimSpace(string(own)) != "0" && os.Geteuid() != 0 {
			continue // it takes a privilege to lower it
		}
		if tail := p.Tail(); len(tail) != 1 || tail[0] != strconv.Itoa(want) {
			t.Errorf("the score is %q, not %d", tail, want)
		}
	}
}

// TestMemory: a process gets what it asks for up to its bound, and not more.
func TestMemory(t *testing.T) {
	const eat = `awk 'BEGIN { s = "0123456789abcdef"; while (length(s) < 33000000) s = s s; print "full" }'`
	for memory, fits := range map[int64]bool{0: true, 1 << 30: true, 16 << 20: false} {
		p := confined(t, Limits{Memory: memory}, eat)
		if full := slices.Contains(p.Tail(), "full"); full != fits || (p.Err() == nil) != fits {
			t.Errorf("with a bound of %d: %q, %v", memory, p.Tail(), p.Err())
		}
	}
}

// TestNoNewPrivileges: what is confined has no way to privileges.
func TestNoNewPrivileges(t *testing.T) {
	p := confined(t, Limits{}, "grep NoNewPrivs /proc/self/status; ulimit -d")
	if got := strings.Fields(strings.Join(p.Tail(), " ")); len(got) < 2 || got[1] != "1" {
		t.Errorf("its status says %q", got)
	}
}

func TestCalled(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/usr/sbin/tor": "/usr/sbin/tor", "/proc/self/exe": own} {
		if got := called(path); got != want {
			t.Errorf("%s is called %s", path, got)
		}
	}
}

func TestConfineFails(t *testing.T) {
	for _, args := range [][]string{nil, {"0", "0"}, {"0", "much", "/bin/true"}, {"0", "-1", "/bin/true"}} {
		if err := Confine(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	if _, err := Start(Command{Name: "ghost", Path: "no-such-program-anywhere", Confine: []string{os.Args[0], "confine"}}, quiet(),
		nil); err == nil {
		t.Error("a program that is not there starts")
	}
}
