package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
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
	stat, err := readStat(p.PID)
	return err == nil && stat.start == p.Start && !stat.ended()
}

type procStat struct {
	state   byte
	threads string // how many; a first thread that has ended waits for the others, which may still have files open
	start   uint64
}

func (s procStat) ended() bool {
	return (s.state == 'Z' || s.state == 'X') && (s.threads == "1" || s.threads == "0")
}

func readStat(pid int) (procStat, error) {
	if pid <= 0 {
		return procStat{}, fmt.Errorf("reading the state of process %d: no such process", pid)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, fmt.Errorf("reading the state of a process: %w", err)
	}
	return parseStat(text)
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The second field is the
// program's name in parentheses and may hold anything, parentheses too.
func parseStat(text []byte) (procStat, error) {
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < 20 {
		return procStat{}, errors.New("parsing the state of a process: too few fields")
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return procStat{}, fmt.Errorf("parsing the start time of a process: %w", err)
	}
	return procStat{state: fields[0][0], threads: fields[17], start: start}, nil
}

// findProcess describes the process that has the id now.
func findProcess(pid int) (Process, bool) {
	stat, err := readStat(pid)
	if err != nil || stat.ended() {
		return Process{}, false
	}
	return Process{PID: pid, Start: stat.start}, true
}

// end terminates the processes: SIGTERM, then SIGKILL to those that are still
// there after grace. It returns when all are gone, or with an error that
// counts the ones left.
func end(ctx context.Context, processes []Process, grace time.Duration) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, 5 * time.Second}} {
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
