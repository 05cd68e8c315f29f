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
	found, _ := os.ReadDir(proc)
	owners := make(map[uint32]bool) // a file is read for each name
	for _, process := range found {
		dir := filepath.Join(proc, process.Name())
		if process.Name()[0] < '0' || process.Name()[0] > '9' {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || strings.TrimSpace(string(text)) != "tor" || contained(dir) {
			continue // it may have ended meanwhile
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
