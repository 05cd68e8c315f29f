package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killWait bounds the wait for a process that was killed. Only one that hangs
// inside the kernel lives on after that.
const killWait = 10 * time.Second

// Process is a started process. Its methods may be called from any goroutine.
type Process struct {
	name string
	pid  int
	cmd  *exec.Cmd  // nil: an earlier daemon has started it
	fd   int        // of a process that an earlier daemon has started (pidfd_open(2)); -1 once it has ended
	mu   sync.Mutex // guards fd

	read *os.File      // the pipe that it writes to
	seen chan struct{} // closed when all of it was read
	out  *output
	log  *slog.Logger
	done chan struct{}
	err  error // set before done is closed
}

// newProcess is a process whose output is read from now on.
func newProcess(name string, pid int, read *os.File, log *slog.Logger, line func(string)) *Process {
	p := &Process{name: name, pid: pid, fd: -1, read: read, seen: make(chan struct{}), out: &output{line: line}, log: log,
		done: make(chan struct{})}
	from := quietly(read) // before somebody sets a deadline
	go func() {
		defer close(p.seen)
		_, _ = io.Copy(p.out, from) // it ends with the last who can write
	}()
	return p
}

// PID returns the process id. It means something else once Done is closed.
func (p *Process) PID() int { return p.pid }

// Done is closed when the process has ended and its output was read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended: nil while it runs and after exit status 0,
// an *ExitError after any other end.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Tail returns the last lines of output so far, at most 40, oldest first.
func (p *Process) Tail() []string { return p.out.last() }

// Signal sends a signal to the process alone. One that has ended gets none, and
// that is no error.
func (p *Process) Signal(s os.Signal) error {
	if err := p.signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to %s: %w", s, p.name, err)
	}
	return nil
}

// signal never reaches a process that was waited for already.
func (p *Process) signal(s os.Signal) error {
	if p.cmd != nil {
		return p.cmd.Process.Signal(s)
	}
	return p.signalAdopted(s)
}

// Stop asks the process to end (SIGTERM), kills it and what is left of its
// process group after grace or when ctx ends, and waits until it is gone.
// Stopping a process that has ended does nothing. The error says that the
// process is still there.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	if !stopped(ctx, p.done, grace) {
		return nil
	}
	p.log.Warn("process killed: it did not end in time", "process", p.name, "pid", p.PID())
	if err := p.signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	if stopped(context.WithoutCancel(ctx), p.done, killWait) {
		return fmt.Errorf("killing %s: process %d is still there after %v", p.name, p.PID(), killWait)
	}
	return nil
}

// wait reaps the process. What is left of its group ends first: as long as the
// leader is unreaped, no stranger can have the group's number.
func (p *Process) wait() {
	defer close(p.done)
	var err error
	for ok := true; ok; ok = errors.Is(err, unix.EINTR) {
		err = unix.Waitid(unix.P_PID, p.PID(), nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	if err == nil {
		_ = unix.Kill(-p.PID(), unix.SIGKILL) // usually nobody is left
	}
	err = p.cmd.Wait()
	p.readAll()
	if state := p.cmd.ProcessState; state == nil || !state.Success() {
		p.err = &ExitError{Name: p.name, State: state, Tail: p.out.last(), cause: err}
	}
	p.log.Debug("process ended", "process", p.name, "pid", p.PID(), "state", p.cmd.ProcessState.String())
}

// readAll waits until the output of a process that has ended was read, which may be
// held open by something that left its process group.
func (p *Process) readAll() {
	_ = p.read.SetReadDeadline(time.Now().Add(outputDelay)) // a pipe knows deadlines
	<-p.seen
	p.read.Close()
	p.out.flush()
}

// shownLines is how much of the tail an error's text repeats.
const shownLines = 3

// ExitError is the error of a process that ended in another way than by exit
// status 0.
type ExitError struct {
	Name  string
	State *os.ProcessState // nil if it is not known how the process ended
	Tail  []string         // last lines of output, at most 40, oldest first

	cause error
}

// Error is one line: how the process ended, and its last words.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("%s ended (%v)", e.Name, e.cause)
	if e.State != nil {
		text = fmt.Sprintf("%s ended (%s)", e.Name, e.State)
	}
	tail := e.Tail[max(0, len(e.Tail)-shownLines):]
	if len(tail) > 0 {
		text += ": " + strings.Join(tail, " | ")
	}
	return text
}

// Unwrap returns what waiting for the process returned.
func (e *ExitError) Unwrap() error { return e.cause }
