package supervise

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Handed says which running process a daemon hands to the one that takes its place.
type Handed struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // as in startTime
}

// ErrAnother says that a process which was to be adopted has ended.
var ErrAnother = errors.New("it has ended")

// errNoStatus is how an adopted process ended: only its parent is told more.
var errNoStatus = errors.New("nobody was told how")

// Hand returns what another daemon needs to adopt the process, and the end of the
// pipe that its output is read from, which stays p's.
func (p *Process) Hand() (Handed, *os.File, error) {
	start, err := startTime(p.pid)
	if err != nil {
		return Handed{}, nil, fmt.Errorf("handing %s on: %w", p.name, err)
	}
	return Handed{PID: p.pid, Start: start}, p.read, nil
}

// Adopt takes a process over that another daemon has started. out, from which its
// output is read, is the new Process's; name, log and line are as in Start. How such
// a process ends nobody is told: its Err is always an *ExitError without a State.
func Adopt(name string, h Handed, out *os.File, log *slog.Logger, line func(string)) (*Process, error) {
	fd, err := unix.PidfdOpen(h.PID, 0) // from here on the number cannot change its meaning
	if err == nil {
		if start, startErr := startTime(h.PID); startErr != nil || start != h.Start {
			unix.Close(fd)
			err = ErrAnother
		}
	}
	if errors.Is(err, unix.ESRCH) {
		err = ErrAnother
	}
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("taking %s over: process %d: %w", name, h.PID, err)
	}
	p := newProcess(name, h.PID, out, log, line)
	p.fd = fd
	log.Debug("process taken over", "process", name, "pid", h.PID)
	go p.waitAdopted(fd)
	return p, nil
}

// waitAdopted waits for a process that is nobody's child here.
func (p *Process) waitAdopted(fd int) {
	defer close(p.done)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	unix.Close(fd)
	p.fd = -1
	p.mu.Unlock()
	p.readAll()
	p.err = &ExitError{Name: p.name, Tail: p.out.last(), cause: errNoStatus}
	p.log.Debug("process ended", "process", p.name, "pid", p.pid)
}

func (p *Process) signalAdopted(s os.Signal) error {
	number, ok := s.(syscall.Signal)
	if !ok {
		return fmt.Errorf("%v is no signal", s)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd < 0 {
		return os.ErrProcessDone
	}
	if number == syscall.SIGKILL { // as long as its leader lives, the group is what was started
		defer openGroup(p.pid).kill()
	}
	err := unix.PidfdSendSignal(p.fd, number, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		err = os.ErrProcessDone
	}
	return err
}
