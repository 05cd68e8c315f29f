// Package proc reads what the kernel says of a process (proc(5)), for tests and measurements.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Stat is a part of /proc/PID/stat (proc_pid_stat(5)).
type Stat struct {
	State   byte          // field 3: R, S, D, Z, ...
	Threads int           // field 20
	Start   uint64        // field 22: clock ticks from boot to its start
	Own     time.Duration // fields 14 and 15: processor's time, the kernel's for it too, in steps of 10 ms
	Reaped  time.Duration // fields 16 and 17: that of its children that have ended and were waited for
}

// tick is 1/sysconf(_SC_CLK_TCK), which is 100 on all that Linux runs on.
const tick = 10 * time.Millisecond

// ReadStat reads it. The error is one of reading the file, or says what is wrong with its text.
func ReadStat(pid int) (Stat, error) {
	if pid <= 0 {
		return Stat{}, fmt.Errorf("reading the state of process %d: no such process", pid)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Stat{}, fmt.Errorf("reading the state of a process: %w", err)
	}
	return parseStat(text)
}

// parseStat reads the text of the file. The second field is the program's name in parentheses
// and may hold anything, parentheses too.
func parseStat(text []byte) (s Stat, err error) {
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	const first = 3 // of the fields behind the name, as the manual counts them
	if end < 0 || len(fields) < 22-first+1 {
		return Stat{}, errors.New("parsing the state of a process: too few fields")
	}
	number := func(field int) uint64 {
		n, bad := strconv.ParseUint(fields[field-first], 10, 64)
		if bad != nil {
			err = fmt.Errorf("parsing the state of a process, field %d: %w", field, bad)
		}
		return n
	}
	s = Stat{State: fields[0][0], Threads: int(number(20)), Start: number(22),
		Own: time.Duration(number(14)+number(15)) * tick, Reaped: time.Duration(number(16)+number(17)) * tick}
	if err != nil {
		return Stat{}, err
	}
	return s, nil
}

// Ended reports whether all of the process has ended and nobody has waited for it yet. A first
// thread that has ended waits for the others, which may still have files open.
func (s Stat) Ended() bool { return (s.State == 'Z' || s.State == 'X') && s.Threads <= 1 }

// Alive reports whether there is a process that has not ended.
func Alive(pid int) bool {
	s, err := ReadStat(pid)
	return err == nil && !s.Ended()
}

// Word returns the first word behind a key of one of the process's files of lines such as
// "VmData:  12 kB": status, smaps_rollup. It is "" where no line has the key.
func Word(pid int, file, key string) (string, error) {
	return word(fmt.Sprintf("/proc/%d/%s", pid, file), key)
}

func word(path, key string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading what the kernel says of a process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key+":" {
			return f[1], nil
		}
	}
	return "", nil
}

// Number is Word as a number. A process that has just ended has 0, as has one whose file has no such line.
func Number(pid int, file, key string) int64 {
	return number(fmt.Sprintf("/proc/%d/%s", pid, file), key)
}

func number(path, key string) int64 {
	text, _ := word(path, key)
	n, _ := strconv.ParseInt(text, 10, 64) // the kernel wrote it
	return n
}

// PSS is the memory of a process in bytes, with its part of what is shared (proc_pid_smaps(5));
// 0 where the process has ended.
func PSS(pid int) int64 { return Number(pid, "smaps_rollup", "Pss") << 10 }

// Own is the memory of a process in bytes that is no file's (proc_pid_smaps(5), Anonymous): what it holds
// is in it, and no page of its program that comes and goes. It is 0 where the process has ended.
func Own(pid int) int64 { return Number(pid, "smaps_rollup", "Anonymous") << 10 }

// Woken is how often the threads of a process have been woken so far
// (proc_pid_status(5), voluntary_ctxt_switches).
func Woken(pid int) (n int64) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid)) // the pattern is a right one
	for _, path := range tasks {
		n += number(path, "voluntary_ctxt_switches")
	}
	return n
}

// Files counts what a process has open.
func Files(pid int) (int, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(open), err
}
