package cell

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// What a process of this program is in a cell.
const (
	first = "first" // SECONDS MEMORY PROCESSES PROGRAM ARG...
	inner = "inner" // MEMORY PROCESSES PROGRAM ARG...: it becomes the program
)

// Where the parent has put the stream and the pipe for the status.
const (
	streamDescriptor = 3
	statusDescriptor = 4
)

// Main is a process of a cell. It returns only what kept it from being one.
func Main(args []string) error {
	switch {
	case len(args) >= 5 && args[0] == first:
		return runFirst(args[1], args[2:])
	case len(args) >= 4 && args[0] == inner:
		return become(args[1], args[2], args[3:])
	}
	return fmt.Errorf("a cell is not made of %q", args)
}

// runFirst is the first process: it starts the command, waits, and ends.
func runFirst(seconds string, rest []string) error {
	unix.Umask(0o077)
	limit, err := strconv.Atoi(seconds)
	if err == nil {
		err = closed()
	}
	if err != nil {
		return err
	}
	for _, fd := range []int{streamDescriptor, statusDescriptor} {
		unix.CloseOnExec(fd)
	}
	// The command is the same user's: it must not read or stop this process.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hiding from the command: %w", err)
	}
	stream := os.NewFile(streamDescriptor, "stream")
	p, err := os.StartProcess("/proc/self/exe", append([]string{"tunic", Verb, inner}, rest...),
		&os.ProcAttr{Files: []*os.File{stream, stream, os.Stderr}, Env: os.Environ(), Dir: "/"})
	if err != nil {
		return fmt.Errorf("starting the command: %w", err)
	}
	over := make(chan byte, 1)
	go func() { over <- reap(p.Pid) }()
	go func() { hungUp(streamDescriptor); os.Exit(0) }() // nobody is there to be told
	status := byte(TimeOut)
	select {
	case status = <-over:
	case <-time.After(time.Duration(limit) * time.Second):
	}
	_, _ = unix.Write(statusDescriptor, []byte{status}) // who does not wait for it misses nothing
	os.Exit(0)
	return nil
}

// closed makes sure of the namespaces: without them a command would see what it must not.
func closed() error {
	if os.Getpid() != 1 {
		return errors.New("a cell has no process namespace of its own")
	}
	list, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("looking for a network: %w", err)
	}
	for _, i := range list {
		if i.Flags&net.FlagUp != 0 || i.Flags&net.FlagLoopback == 0 && i.HardwareAddr != nil {
			return fmt.Errorf("a cell has a network: %s", i.Name)
		}
	}
	return nil
}

// reap waits for the command, and for orphans, which would count as processes. It returns
// the status of the command.
func reap(command int) byte {
	for {
		var s unix.WaitStatus
		pid, err := unix.Wait4(-1, &s, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return NotFound // it was never there
		case pid == command && s.Signaled():
			return byte(signalled + int(s.Signal()))
		case pid == command:
			return byte(s.ExitStatus())
		}
	}
}

// hungUp waits until nobody has the other end of a socket, or both directions have ended.
func hungUp(fd int) {
	for {
		events := []unix.PollFd{{Fd: int32(fd)}}
		if n, err := unix.Poll(events, -1); n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// keepThree has the command inherit no descriptor but its input, output and errors,
// whatever the daemon was started with.
func keepThree() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("looking for descriptors: %w", err)
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// become takes on the bounds of a command, and becomes it.
func become(memory, processes string, command []string) error {
	runtime.LockOSThread()
	for _, bound := range []struct {
		what int
		text string
	}{{unix.RLIMIT_CORE, "0"}, {unix.RLIMIT_NPROC, processes}, {unix.RLIMIT_DATA, memory}} {
		n, err := strconv.ParseUint(bound.text, 10, 63)
		if err == nil {
			err = unix.Setrlimit(bound.what, &unix.Rlimit{Cur: n, Max: n})
		}
		if err != nil {
			return fmt.Errorf("bounding the command: %w", err)
		}
	}
	if err := keepThree(); err != nil {
		return err
	}
	err := unix.Exec(command[0], command, os.Environ())
	fmt.Fprintf(os.Stderr, "%s cannot be started: %v\n", command[0], err)
	os.Exit(NotFound)
	return nil
}
