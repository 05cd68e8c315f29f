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
	found, _ := filepath.Glob(filepath.Join(proc, "[0-9]*/comm"))
	for _, comm := range found {
		text, err := os.ReadFile(comm)
		if err != nil || strings.TrimSpace(string(text)) != "tor" || contained(filepath.Dir(comm)) {
			continue // it may have ended meanwhile
		}
		if owner := ownerOf(filepath.Dir(comm)); owner != config.TorUser {
			users = append(users, owner)
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
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

// ownerOf names the user of a process, by number if nobody has a name for it.
func ownerOf(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return config.TorUser // it has ended
	}
	uid := strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Uid), 10)
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return fmt.Sprintf("number %s", uid)
}
