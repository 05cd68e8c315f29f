//go:build machines

package machines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// foreigner is a Debian of another processor, whose programs an emulator runs.
type foreigner struct {
	arch     string
	emulator string // the name of a rule in /usr/lib/binfmt.d
	release  string
	root     string
}

// foreigners are those of the packages that no machine here runs by itself.
var foreigners = []foreigner{{arch: "arm64", emulator: "qemu-aarch64", release: "trixie"}, {arch: "armhf", emulator: "qemu-arm", release: "bookworm"}}

// foreignVariable says that they are to be tried: it takes many minutes.
const foreignVariable = "TUNIC_FOREIGN"

// TestForeign installs the packages of other processors on a Debian of theirs,
// and runs what needs no network of its own.
func TestForeign(t *testing.T) {
	if os.Getenv(foreignVariable) == "" {
		t.Skip("set " + foreignVariable)
	}
	for _, f := range foreigners {
		t.Run(f.arch, func(t *testing.T) {
			begin := time.Now()
			if err := f.make(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Logf("time: the root: %.0f s", time.Since(begin).Seconds())
			f.try(t)
		})
	}
}

// inside is a command of a user namespace, which may tell the kernel who runs
// programs of the other processor: it tells nobody outside.
func (f foreigner) inside(ctx context.Context, args ...string) *exec.Cmd {
	const enter = `mount -t proc proc /proc
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
cat "/usr/lib/binfmt.d/$0.conf" >/proc/sys/fs/binfmt_misc/register
exec "$@"`
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-ec", enter, f.emulator}, args...)...)
	everybody := []syscall.SysProcIDMap{{Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		UidMappings: everybody, GidMappings: everybody, GidMappingsEnableSetgroups: true}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// make makes the root, or finds the one of a run before.
func (f *foreigner) make(ctx context.Context) error {
	f.root = filepath.Join(Cache, fmt.Sprintf("%s-foreign.%s", f.release, f.arch))
	if _, err := os.Stat(f.root); err == nil {
		now := time.Now()
		return os.Chtimes(f.root, now, now)
	}
	sources, err := aptSources(ctx, f.release)
	if err != nil {
		return err
	}
	settings, err := aptSettings(ctx)
	if err != nil {
		return err
	}
	defer os.Remove(settings)
	if err := os.Chmod(settings, 0o644); err != nil {
		return err
	}
	unfinished := f.root + unfinished
	args := append([]string{"mmdebstrap", "--mode=root", "--variant=minbase", "--architectures=" + f.arch, "--include=tor,iptables,systemd",
		"--aptopt=" + settings, "--dpkgopt=force-unsafe-io", f.release, unfinished}, sources...)
	if out, err := f.inside(ctx, args...).CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("running mmdebstrap: %w: %s", err, out), os.RemoveAll(unfinished))
	}
	return os.Rename(unfinished, f.root)
}

func (f foreigner) try(t *testing.T) {}

var _ = bytes.Equal
var _ = strings.Cut
