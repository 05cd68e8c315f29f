//go:build lab

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/setup"
)

// inNewNetwork has functions run in a network namespace of their own, which ends with
// the test. It returns the thread that has it, too.
func inNewNetwork(t *testing.T) (thread int, do func(func() error) error) {
	t.Helper()
	work, done, first := make(chan func() error), make(chan error), make(chan int)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		first <- unix.Gettid()
		for f := range work {
			done <- f()
		}
	}()
	t.Cleanup(func() { close(work) })
	return <-first, func(f func() error) error { work <- f; return <-done }
}

// ip runs ip(8) for each line.
func ip(lines string) func() error {
	return func() error {
		for line := range strings.SplitSeq(lines, "; ") {
			if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
				return fmt.Errorf("ip %s: %w: %s", line, err, out)
			}
		}
		return nil
	}
}

// The household reaches the page of a setup. Who sends to the same address from the side of the
// internet does not: Linux takes such packets, whatever interface the address is on.
func TestPageIsOnItsInterfaceAlone(t *testing.T) {
	_, box := inNewNetwork(t)
	home, phone := inNewNetwork(t)
	outside, stranger := inNewNetwork(t)
	for _, step := range []error{
		box(ip(fmt.Sprintf("link add home0 type veth peer name eth0 netns %d; address add 192.168.77.1/24 dev home0; link set home0 up; "+
			"link add wan0 type veth peer name eth0 netns %d; address add 203.0.113.1/24 dev wan0; link set wan0 up", home, outside))),
		phone(ip("address add 192.168.77.30/24 dev eth0; link set eth0 up")),
		stranger(ip("address add 203.0.113.2/24 dev eth0; link set eth0 up; route add 192.168.77.0/24 via 203.0.113.1")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	var l net.Listener
	if err := box(func() (err error) {
		l, err = listenAt(t.Context(), setup.Door{Interface: "home0", Addr: netip.MustParseAddr("192.168.77.1")})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial := func() error {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 3*time.Second)
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := phone(dial); err != nil {
		t.Errorf("the household does not reach it: %v", err)
	}
	if stranger(dial) == nil {
		t.Error("it is reached from the side of the internet")
	}
}
