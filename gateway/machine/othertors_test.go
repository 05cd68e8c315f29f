package machine

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// box is a directory like proc(5), of processes that have a name each.
type box struct {
	*testing.T
	proc string
}

func (b box) write(pid, file, text string) {
	b.Helper()
	path := filepath.Join(b.proc, pid, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}

// process has one begin a program, also in place of another.
func (b box) process(pid, called string) {
	b.Helper()
	b.write(pid, "comm", called+"\n")
	b.write(pid, "status", "Name:\t"+called+"\nNSpid:\t"+pid+"\n")
}

// want compares what is found with our own tors, or none.
func (b box) want(p *processes, now time.Time, ours bool) {
	b.Helper()
	var want []string
	if ours {
		me, err := user.Current()
		if err != nil {
			b.Fatal(err)
		}
		want = []string{me.Username}
	}
	if got := p.otherTors(now); !slices.Equal(got, want) {
		b.Errorf("other tors are %q's, want %q", got, want)
	}
}

func TestOtherTors(t *testing.T) {
	b, now := box{t, t.TempDir()}, time.Now()
	b.process("10", "tor")
	b.process("11", "tor")
	b.write("11", "status", "Name:\ttor\nNSpid:\t11\t2\n") // a container's
	b.process("12", "torsocks")
	b.write("self", "comm", "tor\n")
	p := newProcesses(b.proc)
	b.want(p, now, true)
	b.process("10", "bash")
	b.want(p, now, false)
}

func TestNewTors(t *testing.T) {
	b, now := box{t, t.TempDir()}, time.Now()
	b.process("10", "bash")
	p := newProcesses(b.proc)
	b.want(p, now, false)
	now = now.Add(settles)
	b.want(p, now, false)

	b.process("11", "tor") // a new one
	b.want(p, now, true)
	b.process("11", "bash") // a tor is asked each time
	b.want(p, now, false)
	b.process("11", "tor") // seen before it began its program
	b.want(p, now.Add(settles), true)

	if err := os.RemoveAll(filepath.Join(b.proc, "11")); err != nil {
		t.Fatal(err)
	}
	b.want(p, now, false)
	b.process("11", "bash")
	b.want(p, now, false)
	b.want(p, now.Add(settles), false)
	if err := os.RemoveAll(filepath.Join(b.proc, "11")); err != nil {
		t.Fatal(err)
	}
	b.want(p, now, false)
	b.process("11", "tor") // a number that another had
	b.want(p, now, true)
}

// TestOldTors has a process that has been something else for long become a tor: it
// is not asked in each look, which is what the look is cheap by, and found in time.
func TestOldTors(t *testing.T) {
	b, now := box{t, t.TempDir()}, time.Now()
	b.process("10", "bash")
	p := newProcesses(b.proc)
	b.want(p, now, false)
	b.want(p, now.Add(settles), false)
	b.process("10", "tor")
	b.want(p, now.Add(askAllEvery-1), false)
	b.want(p, now.Add(askAllEvery), true)
	b.want(p, now.Add(askAllEvery+1), true)
}

// BenchmarkOtherTors has 300 processes more on the machine.
func BenchmarkOtherTors(b *testing.B) {
	for range 300 {
		c := exec.CommandContext(b.Context(), "sleep", "300") // ends with the context
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Wait() })
	}
	b.Run("who asks once", func(b *testing.B) {
		for b.Loop() {
			newProcesses("/proc").otherTors(time.Now())
		}
	})
	b.Run("who looks again", func(b *testing.B) {
		p := newProcesses("/proc")
		now := time.Now()
		p.otherTors(now)
		p.otherTors(now.Add(settles))
		for b.Loop() {
			p.otherTors(now.Add(settles))
		}
	})
}
