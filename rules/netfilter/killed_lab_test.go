//go:build lab

package netfilter

import (
	"bufio"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/rules"
)

// swapsVariable makes TestSwaps a daemon that opens and closes its house until it is ended.
const swapsVariable = "TUNIC_SWAPS"

// TestSwaps does something for TestKilledInASwap alone.
func TestSwaps(t *testing.T) {
	if os.Getenv(swapsVariable) == "" {
		t.Skip("it is the daemon of TestKilledInASwap")
	}
	sets := []rules.Ruleset{compile(t, household()), compile(t, opposite(household()))}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		k, err := New(t.Context(), slog.New(slog.DiscardHandler)) // it knows nothing
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("begun\n")
		for _, set := range sets {
			if err := k.Apply(t.Context(), set); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestKilledInASwap: wherever a daemon is killed that opens or closes its house for the first
// time, the house is open or closed, all of it, and the next daemon takes away what it has left.
func TestKilledInASwap(t *testing.T) {
	useBackend(t, "nft")
	rounds := 8
	if os.Getenv("TUNIC_LONG") != "" {
		rounds = 80
	}
	open, closed := compile(t, household()), compile(t, opposite(household()))
	states := map[string]string{freshly(t, "open", open): "open", freshly(t, "closed", closed): "closed"}
	gw := newNode(t, "killed")
	left, seen := 0, map[string]int{}
	for range rounds {
		gw.apply(gw.kernel(), closed)
		if got := gw.saved(); states[got] != "closed" {
			t.Fatalf("a new daemon has\n%s", got)
		}
		gw.killSwapping(time.Duration(rand.IntN(120)) * time.Millisecond)
		spare, rest := 0, ""
		for line := range strings.Lines(gw.saved()) {
			if strings.HasPrefix(line, ":TUNIC-SPARE-") || strings.HasPrefix(line, "-A TUNIC-SPARE-") {
				spare = 1
			} else {
				rest += line
			}
		}
		left += spare
		if states[rest] == "" {
			t.Fatalf("the house is neither open nor closed:\n%s", rest)
		}
		seen[states[rest]]++
	}
	t.Logf("of %d times %d with spare chains; %v", rounds, left, seen)
}

// killSwapping starts a daemon that swaps, and kills it after a while, with all programs that it has
// started, as systemd does.
func (n *node) killSwapping(after time.Duration) {
	n.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", n.name, os.Args[0], "-test.run", "^TestSwaps$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), swapsVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "begun"; {
	}
	time.Sleep(after)
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // it may have ended by a fault, which Wait tells as another end
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		n.t.Errorf("the daemon ended: %v", err)
	}
}
