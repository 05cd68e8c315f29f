package supervise

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// adopt takes a process over as another daemon would: by what it was handed, and a
// copy of the descriptor.
func adopt(t *testing.T, p *Process, line func(string)) (*Process, error) {
	t.Helper()
	h, out, err := p.Hand()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(out.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return Adopt("script", h, os.NewFile(uintptr(fd), "out"), quiet(), line)
}

func TestAdopt(t *testing.T) {
	up := make(chan struct{}, 2)
	p := shell(t, `trap 'echo bye; exit 0' TERM; sleep 60 & echo up; wait`, nil, func(string) { up <- struct{}{} })
	<-up
	heir, err := adopt(t, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if heir.PID() != p.PID() || heir.Err() != nil {
		t.Errorf("process %d, %v", heir.PID(), heir.Err())
	}
	if err := heir.Stop(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	await(t, p)
	var exit *ExitError
	if !errors.As(heir.Err(), &exit) || exit.State != nil {
		t.Errorf("it ended with %v", heir.Err())
	}
	if err := heir.Signal(syscall.SIGHUP); err != nil {
		t.Errorf("a signal after its end: %v", err)
	}
	if err := heir.Stop(t.Context(), 0); err != nil {
		t.Errorf("stopping it again: %v", err)
	}
}

// What an adopted process has left in its group is killed with it.
func TestAdoptedGroupIsKilled(t *testing.T) {
	up := make(chan struct{})
	p := shell(t, `trap '' TERM; sleep 60 & echo $!; wait; wait`, nil, func(string) { close(up) })
	<-up
	heir, err := adopt(t, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	group := openGroup(p.PID())
	if len(group) != 1 {
		t.Fatalf("%d processes in its group", len(group))
	}
	if err := heir.Stop(t.Context(), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	await(t, p)
	if !gone(group[0], 30*time.Second) {
		t.Error("a process of its group is still there")
	}
	unix.Close(group[0])
}

// Another process that has got the number since is not taken over.
func TestAdoptRefusesAnother(t *testing.T) {
	p := shell(t, `sleep 60`, nil, nil)
	for name, h := range map[string]Handed{"other start": {PID: p.PID(), Start: "1"}, "nobody": {PID: 1 << 30, Start: "1"}} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		heir, err := Adopt("script", h, read, quiet(), nil)
		if heir != nil || !errors.Is(err, ErrAnother) && !strings.Contains(err.Error(), "invalid") {
			t.Errorf("%s: %v", name, err)
		}
		write.Close()
	}
	if err := p.Signal(syscall.Signal(0)); err != nil {
		t.Error(err)
	}
}
