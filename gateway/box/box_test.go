package box

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tunic/gateway/config"
)

func TestSecondDaemonIsRefused(t *testing.T) {
	p := config.NewPaths(t.TempDir())
	first, err := TakeLock(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TakeLock(p); err == nil || !strings.Contains(err.Error(), "a tunic daemon") {
		t.Errorf("a second lock: %v", err)
	}
	first.Release()
	again, err := TakeLock(p) // the file is still there: a stale lock is none
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
}

func TestCheckState(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	file := filepath.Join(dir, "file")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	os.Chmod(open, 0o777)
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "not/yet"):   "",
		"/dev/shm/not/yet":              "tmpfs",
		open:                            "chmod go-w",
		file:                            "not a directory",
		filepath.Join(file, "below/it"): "not a directory",
	} {
		err := CheckState(path)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("CheckState(%s) = %v, want %q in it", path, err, want)
		}
	}
}

func TestRangesAreChosenOnceApartFromLocalOnes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	local := []netip.Prefix{netip.MustParsePrefix("10.128.0.0/10"), netip.MustParsePrefix("10.192.0.0/11"),
		netip.MustParsePrefix("fd00::/9")}
	first, err := LoadRanges(path, local)
	if err != nil {
		t.Fatal(err)
	}
	if p, bad := first.Overlap(local); bad || first.Virtual4.Bits() != 16 || first.Virtual6.Bits() != 48 {
		t.Errorf("chose %v, overlaps %v", first, p)
	}
	if again, err := LoadRanges(path, nil); err != nil || again != first {
		t.Errorf("the second start has %v, %v", again, err)
	}
	if _, err := LoadRanges(filepath.Join(t.TempDir(), "x"), []netip.Prefix{netip.MustParsePrefix("10.128.0.0/9")}); err == nil {
		t.Error("a full neighbourhood is no error")
	}
	for _, text := range []string{"", "{}", `{"virtual4":"10.0.0.0/8","virtual6":"fd00::/48"}`, "[1"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := LoadRanges(path, nil); err == nil {
			t.Errorf("state %q gave %v", text, r)
		}
	}
}

func TestScarceDisks(t *testing.T) {
	for want, st := range map[string]unix.Statfs_t{
		"":                         {Bavail: 1 << 20, Bsize: 4096, Files: 1 << 20, Ffree: 1 << 19},
		"99 MB are free":           {Bavail: 100<<8 - 1, Bsize: 4096, Files: 1 << 20, Ffree: 1 << 19},
		"800 MB are free":          {Bavail: 800 << 8, Bsize: 4096, Blocks: 20 << 18, Files: 1 << 20, Ffree: 1 << 19}, // of 20 GB
		"999 files more fit on it": {Bavail: 1 << 20, Bsize: 4096, Files: 1 << 20, Ffree: 999},
	} {
		if got := scarce(st); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	if got := scarce(unix.Statfs_t{Bavail: 2 << 18, Bsize: 4096, Blocks: 1 << 30}); got != "" { // 2 GB of 4 TB
		t.Errorf("a big disk: %q", got)
	}
	if got := scarce(unix.Statfs_t{Bavail: 1 << 20, Bsize: 4096}); got != "" { // btrfs
		t.Errorf("a file system that counts no files: %q", got)
	}
}
