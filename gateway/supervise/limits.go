package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Limits are what a process takes on before it becomes the program that it was
// started for. To bound another user's process from outside takes CAP_SYS_RESOURCE
// (prlimit(2)), which the daemon does not have.
type Limits struct {
	// OOMScore is how much sooner than other processes the kernel ends it when
	// memory runs out, from 0 to 1000 (oom_score_adj, proc_pid_oom_score_adj(5)).
	OOMScore int

	// Memory is how many bytes of data each of its processes may have
	// (RLIMIT_DATA, getrlimit(2)); 0 sets no bound. What asks for more gets none.
	Memory int64
}

// through puts a program behind confine, which calls Confine with what follows
// its own first arguments.
func (l Limits) through(confine []string, path string, args []string) (string, []string, error) {
	if len(confine) == 0 {
		return path, args, nil
	}
	found, err := exec.LookPath(path) // the daemon's PATH is not the child's
	if err != nil {
		return "", nil, err
	}
	all := append([]string{}, confine[1:]...)
	all = append(all, strconv.Itoa(l.OOMScore), strconv.FormatInt(l.Memory, 10), found)
	return confine[0], append(all, args...), nil
}

// Confine has this process take on the Limits that Start put before a program,
// give up the ways to privileges, and become that program: OOMSCORE MEMORY
// PROGRAM ARG... It returns only if that failed.
func Confine(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("confining a program takes its limits and its name, not %q", args)
	}
	// It fails without harm: then the process is as dear to the kernel as the daemon.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte(args[0]), 0)
	memory, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return fmt.Errorf("reading the bound of memory: %w", err)
	}
	if memory > 0 {
		if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: memory, Max: memory}); err != nil {
			return fmt.Errorf("bounding memory: %w", err)
		}
	}
	return become(args[2], append([]string{called(args[2])}, args[3:]...))
}

// called is what a program is told to be called, and shown as.
func called(path string) string {
	if name, err := os.Executable(); err == nil && path == "/proc/self/exe" {
		return name
	}
	return path
}

// become executes a program without a way to privileges or namespaces: no_new_privs (prctl(2))
// is a thread's own, and what that executes inherits it.
func become(path string, args []string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	if err := withoutNamespaces(); err != nil {
		return err
	}
	return fmt.Errorf("starting %s without ways to privileges: %w", path, unix.Exec(path, args, os.Environ()))
}
