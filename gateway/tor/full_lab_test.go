//go:build lab

package tor

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system at dir on which only root has room.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const size = 16 << 20
	image := dir + ".img"
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{{"truncate", "-s", "16M", image}, {"mkfs.ext4", "-q", "-F", "-m", "20", image},
		{"mount", "-o", "loop", image, dir}} {
		if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", words, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	big := make([]byte, min(size, int64(st.Bavail)*int64(st.Bsize)))
	if err := os.WriteFile(filepath.Join(dir, "big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOnionOnAFullDisk: tor makes nothing itself for a new onion. It would end where it
// has no room, and with it all that the household and visitors have open.
func TestOnionOnAFullDisk(t *testing.T) {
	b := newBox(t)
	pid := b.awaitRunning().PID
	full := filepath.Join(b.base, "full")
	smallDisk(t, full)
	photos, err := labOnion(b.spec, full, "photos")
	if err != nil {
		t.Fatal(err)
	}
	next := b.spec.Clone()
	next.Onions = append(next.Onions, photos)
	b.apply(next)
	if got := b.published(); !slices.Equal(got, []string{"home", "photos"}) {
		t.Errorf("onions %q", got)
	}
	if now := b.Status().PID; now != pid {
		t.Errorf("tor is another process: %d, and was %d", now, pid)
	}
}
