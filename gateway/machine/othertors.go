package machine

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"tunic/gateway/config"
)

// A process that is no tor can become one (execve(2)) under the same number, and a number
// can be given to another process between two looks. So all are asked at times, and a new one,
// which may have been seen before it began its program, until it is some seconds old.
const (
	askAllEvery = 5 * time.Minute
	settles     = 10 * time.Second
)

// processes knows of those of the box which are no tor, so that few are asked in each look.
type processes struct {
	proc string // where proc(5) is

	mu      sync.Mutex
	asked   time.Time // when all were asked
	strange map[string]stranger
}

// stranger is a process that was no tor when it was asked.
type stranger struct {
	since   time.Time // when it was seen first
	settled bool      // it was asked when it was old enough
}

func newProcesses(proc string) *processes {
	return &processes{proc: proc}
}

// otherTors returns the users, other than tunic's, whose processes on this box
// are called tor (proc_pid_comm(5)). Those of a container are not the box's: it
// has its own network, or is a network of its own to the rules.
func (p *processes) otherTors(now time.Time) (users []string) {
	owners := make(map[uint32]bool) // a file is read for each name
	for _, process := range p.called(now) {
		dir := filepath.Join(p.proc, process)
		info, err := os.Stat(dir)
		if err != nil {
			continue
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; !owners[uid] && !contained(dir) {
			owners[uid] = true
		}
	}
	for uid := range owners {
		if owner := nameOf(uid); owner != config.TorUser {
			users = append(users, owner)
		}
	}
	slices.Sort(users)
	return users
}

// called lists the processes that are called tor. Those that are gone are forgotten.
func (p *processes) called(now time.Time) (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := now.Sub(p.asked) >= askAllEvery
	if all {
		p.asked = now
	}
	strange := make(map[string]stranger, len(p.strange))
	for _, process := range names(p.proc) {
		if process[0] < '0' || process[0] > '9' {
			continue
		}
		is, known := p.strange[process]
		switch {
		case known && is.settled && !all:
		case calledTor(filepath.Join(p.proc, process, "comm")):
			list = append(list, process)
			continue
		case !known:
			is.since = now
		default:
			is.settled = now.Sub(is.since) >= settles
		}
		strange[process] = is
	}
	p.strange = strange
	return list
}

// names are those of a directory's files, in no order.
func names(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := f.Readdirnames(-1) // as far as it goes
	return list
}

// calledTor reports whether a file says nothing but the name of tor. It may be gone. There is
// one for each process: an os.File, which Go's runtime would wait for if it could, asks the kernel
// twice as much.
func calledTor(path string) bool {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	var text [16]byte // TASK_COMM_LEN of proc_pid_comm(5), with the end of the line
	n, err := syscall.Read(fd, text[:])
	return err == nil && string(text[:n]) == "tor\n"
}

// contained reports whether a process has a second number, in a namespace of
// processes below this one (NSpid of proc_pid_status(5)).
func contained(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 0 && f[0] == "NSpid:" {
			return len(f) > 2
		}
	}
	return false
}

// nameOf names a user, by number if nobody has a name for it.
func nameOf(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return fmt.Sprintf("number %s", number)
}
