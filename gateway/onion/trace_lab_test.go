//go:build lab

package onion

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunic/internal/proc"
)

const interrupt = syscall.SIGINT

// waitTraced waits until somebody traces the process (proc_pid_status(5)).
func waitTraced(t *testing.T, pid int) {
	t.Helper()
	for range 200 {
		tracer, err := proc.Word(pid, "status", "TracerPid")
		if err != nil {
			t.Fatal(err)
		}
		if tracer != "0" {
			time.Sleep(200 * time.Millisecond) // its other threads too
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("strace does not trace it")
}

// moved is a call that strace wrote down with its result: "12 splice(...) = 5".
var moved = regexp.MustCompile(`(splice|read|write|sendto|recvfrom|sendmsg|recvmsg|readv|writev)[ (].* = (\d+)`)

// countMoved adds up what went out of sockets into pipes, and through memory.
func countMoved(t *testing.T, path string) (spliced, copied int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		m := moved.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		if m[1] == "splice" {
			spliced += n / 2 // into the pipe and out of it
		} else {
			copied += n
		}
	}
	return spliced, copied
}
