package supervise

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// group holds the processes of a process group by descriptors (pidfd_open(2)),
// so that a number that somebody else has got since means nobody.
type group []int

// openGroup finds the members of a group but its leader.
func openGroup(leader int) group {
	var g group
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == leader {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		if id, err := unix.Getpgid(pid); err != nil || id != leader {
			unix.Close(fd)
			continue
		}
		g = append(g, fd)
	}
	return g
}

// kill ends those that are still there.
func (g group) kill() {
	for _, fd := range g {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // most have ended with their leader
		unix.Close(fd)
	}
}
