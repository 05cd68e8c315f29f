package supervise

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Sockets that are shared with another daemon keep their paths until it is settled who
// has them: the other one may go on.
func TestAdoptedSocketsKeepTheirPaths(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	spec := ListenerSpec{Name: "a", Network: "unix", Path: path, Mode: 0o600, UID: os.Getuid(), GID: os.Getgid()}
	var old, heir Listeners
	defer old.Close()
	if err := old.Set(t.Context(), []ListenerSpec{spec}); err != nil {
		t.Fatal(err)
	}
	take := func() {
		fd, err := unix.Dup(int(old.Files()["a"].Fd()))
		if err != nil {
			t.Fatal(err)
		}
		heir.Adopt(map[string]*os.File{"a": os.NewFile(uintptr(fd), "a")}, old.Paths())
	}
	reached := func() bool {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	take()
	if err := heir.Set(t.Context(), []ListenerSpec{spec}); err != nil || len(heir.Files()) != 1 {
		t.Fatalf("%v, %v", heir.Files(), err)
	}
	if err := heir.Set(t.Context(), nil); err != nil || !reached() {
		t.Errorf("the heir has closed the other one's door: %v", err)
	}
	take()
	heir.Settle()
	if err := heir.Set(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the path of a socket that nobody wants any more is still there")
	}
}
