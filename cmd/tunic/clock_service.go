package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/machine"
)

// Pauses between two questions for the time, as systemd/tunic-clock.timer and
// tunic-clock.service have them.
const (
	clockAgain  = 30 * time.Second // after a failure
	clockPeriod = 12 * time.Hour
)

// keepClock does what systemd does elsewhere: it starts `tunic clock` as tor's user,
// with the one capability that sets the clock, at once and twice a day, until ctx ends.
func (a *app) keepClock(ctx context.Context) error {
	if a.uid != 0 {
		return &failure{exitFailed, errors.New("only root may become tor's user"), asRoot}
	}
	tor, err := machine.User(config.TorUser)
	if err != nil {
		return err
	}
	for wait := time.Duration(0); pause(ctx, wait); {
		wait = clockPeriod
		if err := a.startClock(ctx, tor); err != nil {
			wait = clockAgain
			fmt.Fprintf(a.err, "tunic: %v\n", err)
		}
	}
	return nil
}

// clockLimit is how long one question may take, as the unit's TimeoutStartSec.
const clockLimit = 3 * time.Minute

func (a *app) startClock(ctx context.Context, tor feature.IDs) error {
	ctx, cancel := context.WithTimeout(ctx, clockLimit)
	defer cancel()
	c := exec.CommandContext(ctx, "/proc/self/exe", "--root", a.root, "clock")
	c.Stdout, c.Stderr, c.Env, c.Dir = a.out, a.err, []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}, "/"
	if err := runWith(c, tor, unix.CAP_SYS_TIME); err != nil {
		return fmt.Errorf("asking for the time as %s: %w", config.TorUser, err)
	}
	return nil
}

// runWith runs a command as another user, which has one capability and no way to
// another, and waits for it.
func runWith(c *exec.Cmd, user feature.IDs, capability uintptr) error {
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user.UID, Gid: user.GID},
		AmbientCaps: []uintptr{capability}, Pdeathsig: syscall.SIGKILL}
	done := make(chan error)
	go func() {
		// The thread is this goroutine's, and ends with it: the child inherits from it.
		runtime.LockOSThread()
		if err := boundBy(capability); err != nil {
			done <- err
			return
		}
		done <- c.Run()
	}()
	return <-done
}

// boundBy takes from this thread all capabilities for good that a child could get,
// but one and those by which the child becomes another user (capabilities(7),
// PR_CAPBSET_DROP; PR_SET_NO_NEW_PRIVS).
func boundBy(capability uintptr) error {
	for n := uintptr(0); n <= unix.CAP_LAST_CAP; n++ {
		if n == capability {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, n, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) { // an older kernel has fewer
			return fmt.Errorf("giving capabilities up: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving capabilities up: %w", err)
	}
	return nil
}
