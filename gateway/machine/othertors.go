package machine

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"tunic/gateway/config"
)

// otherTors returns the users, other than tunic's, whose processes on this box
// are called tor (proc_pid_comm(5)). Those of a container are not the box's: it
// has its own network, or is a network of its own to the rules.
func otherTors(proc string) (users []string) {
	owners := make(map[uint32]bool) // a file is read for each name
	for _, process := range names(proc) {
		dir := filepath.Join(proc, process)
		if process[0] < '0' || process[0] > '9' || !calledTor(filepath.Join(dir, "comm")) || contained(dir) {
			continue
		}
		if info, err := os.Stat(dir); err == nil {
			owners[info.Sys().(*syscall.Stat_t).Uid] = true
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
// one for each process, and all are read in each pass: an os.File, which Go's runtime would wait
// for if it could, asks the kernel twice as much.
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
