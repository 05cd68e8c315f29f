package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// defaultPath is the PATH of a child whose Env names none. The daemon's own
// environment is never handed on: NOTIFY_SOCKET, WATCHDOG_* and LISTEN_* are
// meant for it alone, and a child that speaks to systemd in its name would
// make it look ready or dead.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// defaultZone keeps the box's time zone out of what children tell strangers:
// without TZ they read /etc/localtime.
const defaultZone = "TZ=UTC"

// outputDelay is how long the output of an ended process may stay open, held
// by something that left its process group.
const outputDelay = 2 * time.Second

// Command says what to start.
type Command struct {
	Name string   // what people call it, in logs and errors
	Path string   // the program; without a slash it is looked up on the daemon's PATH
	Args []string // without the program's name
	Env  []string // the whole environment, "KEY=value"; PATH and TZ=UTC are added if absent
	Dir  string   // working directory; "" means "/"

	SetUser  bool // take on UID, GID and Groups; needs the capabilities SETUID and SETGID
	UID, GID uint32
	Groups   []uint32 // supplementary groups; none at all if empty

	// Confine is a program, with its first arguments, that calls the function of
	// the same name with what follows: by it the process takes on Limits and has
	// no way to privileges. Without it there are no limits, and the daemon's OOM
	// score is handed on.
	Confine []string
	Limits  Limits

	// Apart has the process be the first of its own process, network and IPC
	// namespaces (namespaces(7)): it sees no other process, has no network but a
	// loopback that is down, and when it ends everything ends that came of it. They
	// belong to a user namespace in which UID and GID, which must be set, are the only ones.
	Apart bool

	Files []*os.File // become descriptors 3, 4, ...; the caller keeps and closes its own
}

// Start starts a process in a session of its own, so that a Ctrl-C at the
// daemon's terminal reaches the daemon alone. Its standard input is empty; each
// line of its output and error output goes to line (which may be nil, and must
// not block: the child waits for it), cut at 400 bytes.
//
// There is no parent-death signal: it is tied to a thread, and would end the
// child when the daemon replaces itself by exec.
func Start(c Command, log *slog.Logger, line func(string)) (*Process, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	defer write.Close()
	// The process must outlive any context: Stop ends it in order.
	path, args, err := c.Limits.through(c.Confine, c.Path, c.Args)
	if err != nil {
		read.Close()
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = c.environment()
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.ExtraFiles = c.Files
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if c.SetUser {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.UID, Gid: c.GID, Groups: c.Groups}
	}
	if c.Apart {
		c.apart(cmd.SysProcAttr)
	}
	if err := cmd.Start(); err != nil {
		read.Close()
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	p := newProcess(c.Name, cmd.Process.Pid, read, log, line)
	p.cmd = cmd
	log.Debug("process started", "process", c.Name, "pid", p.PID())
	go p.wait()
	return p, nil
}

func (c Command) apart(a *syscall.SysProcAttr) {
	a.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: int(c.UID), HostID: int(c.UID), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: int(c.GID), HostID: int(c.GID), Size: 1}}
	a.GidMappingsEnableSetgroups = true // to have none of them
}

func (c Command) environment() []string {
	env := slices.Clone(c.Env)
	for _, kv := range []string{defaultPath, defaultZone} {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.ContainsFunc(env, func(have string) bool { return strings.HasPrefix(have, name+"=") }) {
			env = append(env, kv)
		}
	}
	return env
}

// stopped reports whether ctx ended or the timer fired before done closed.
func stopped(ctx context.Context, done <-chan struct{}, after time.Duration) bool {
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-ctx.Done():
	case <-timer.C:
	}
	return true
}
