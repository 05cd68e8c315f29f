package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Record writes to path which process this is, for EndOrphan. The directory
// must belong to the daemon: who can write there can have any process ended.
func (p *Process) Record(path string) error {
	start, err := startTime(p.PID())
	if err != nil {
		return fmt.Errorf("recording process %s: %w", p.name, err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d %s\n", p.PID(), start), 0o600); err != nil {
		return fmt.Errorf("recording process %s: %w", p.name, err)
	}
	return nil
}

// EndOrphan ends the process that an earlier daemon recorded at path and did
// not live to stop: SIGTERM, and SIGKILL after grace, then SIGKILL to what is
// left of its process group. A process that has ended, or another one that has
// got its number since, is not touched.
func EndOrphan(path string, grace time.Duration) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading which process was left: %w", err)
	}
	var pid int
	var start string
	if _, err := fmt.Sscan(string(text), &pid, &start); err != nil || pid <= 1 {
		return os.Remove(path) // the daemon died while it wrote
	}
	fd, err := unix.PidfdOpen(pid, 0) // from here on the number cannot change its meaning
	if errors.Is(err, unix.ESRCH) {
		return os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("looking for process %d, which an earlier daemon left: %w", pid, err)
	}
	defer unix.Close(fd)
	if now, err := startTime(pid); err != nil || now != start {
		return os.Remove(path)
	}
	group := openGroup(pid) // as long as its leader lives, the group is what the daemon started
	defer group.kill()
	for _, s := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGTERM, grace}, {unix.SIGKILL, killWait}} {
		if err := unix.PidfdSendSignal(fd, s.signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("ending process %d, which an earlier daemon left: %w", pid, err)
		}
		if gone(fd, s.wait) {
			return os.Remove(path)
		}
	}
	return fmt.Errorf("ending process %d, which an earlier daemon left: it is still there", pid)
}

// gone reports whether the process of a pidfd ended in time (pidfd_open(2)).
func gone(fd int, wait time.Duration) bool {
	end := time.Now().Add(wait)
	for left := wait; left > 0; left = time.Until(end) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 {
			return true
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
	}
	return false
}

// startTime is when a process was started, in clock ticks since boot: field 22
// of its stat, whose second field may hold spaces and parentheses
// (proc_pid_stat(5)).
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return "", errors.New("the process's stat has too few fields")
	}
	return fields[19], nil
}
