package lab

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"tunic/internal/proc"
)

// Process is a long-running process of the lab.
type Process struct {
	Name  string // unique in the lab, also the name of its log file
	Node  string
	PID   int
	Start uint64 // field 22 of /proc/PID/stat: clock ticks from boot to its start
}

// Alive reports whether the process runs: it does not if another process got
// its id, or if it has ended and was not waited for.
func (p Process) Alive() bool {
	stat, err := proc.ReadStat(p.PID)
	return err == nil && stat.Start == p.Start && !stat.Ended()
}

// findProcess describes the process that has the id now.
func findProcess(pid int) (Process, bool) {
	stat, err := proc.ReadStat(pid)
	if err != nil || stat.Ended() {
		return Process{}, false
	}
	return Process{PID: pid, Start: stat.Start}, true
}

// end terminates the processes: SIGTERM, then SIGKILL to those that are still
// there after grace. It returns when all are gone, or with an error that
// counts the ones left.
func end(ctx context.Context, processes []Process, grace time.Duration) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, 30 * time.Second}} {
		for _, p := range processes {
			if p.Alive() {
				_ = syscall.Kill(p.PID, step.signal) // it may have ended this moment; waitEnd tells
			}
		}
		if waitEnd(ctx, processes, step.wait) == 0 {
			return nil
		}
	}
	return fmt.Errorf("ending processes: %d still run", waitEnd(ctx, processes, 0))
}

func waitEnd(ctx context.Context, processes []Process, limit time.Duration) int {
	for deadline := time.Now().Add(limit); ; time.Sleep(pollInterval) {
		left := 0
		for _, p := range processes {
			if p.Alive() {
				left++
			}
		}
		if left == 0 || ctx.Err() != nil || time.Now().After(deadline) {
			return left
		}
	}
}

// bootID names this boot of the kernel.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("reading the boot's id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
