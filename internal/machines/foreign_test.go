//go:build machines

package machines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// foreigner is a Debian of another processor, whose programs an emulator runs.
type foreigner struct {
	arch     string // Debian's name
	goarch   string // Go's
	emulator string // the name of a rule in /usr/lib/binfmt.d
	release  string
	root     string
}

// foreigners are those of the packages that no machine here runs by itself.
var foreigners = []foreigner{
	{arch: "arm64", goarch: "arm64", emulator: "qemu-aarch64", release: "trixie"},
	{arch: "armhf", goarch: "arm", emulator: "qemu-arm", release: "trixie"},
}

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
	// The release as it was published: how a package installs and runs needs no updates.
	sources = slices.DeleteFunc(sources, func(s string) bool { return !strings.HasSuffix(s, " "+f.release+" main") })
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

// onTop puts a directory on top of the root, gives it a network that leads
// nowhere, and runs a script in it.
const onTop = `mount -t overlay -o "userxattr,lowerdir=$0,upperdir=$1/upper,workdir=$1/work" overlay "$1/system"
ip link set lo up
ip link add lan0 type veth peer name lan1
ip address add 192.168.77.1/24 dev lan0
ip link set lan0 up
mount -t proc proc "$1/system/proc"
mount --rbind /dev "$1/system/dev"
exec chroot "$1/system" sh -exc "$2" 2>&1`

// visit is what people do first with a package, and what saves a box. The
// emulator knows no netlink of the packet filter, without which there is no plan.
const visit = `dpkg --install /tmp/tunic.deb
test -x /usr/bin/tunic
tunic version
printf '[household]\ninterfaces = ["lan0"]\n' >/etc/tunic/tunic.toml
printf '[ports]\n80 = "192.168.77.20:8080"\n' >/etc/tunic/onions/photos.toml
tunic check
tunic plan || echo "there is no plan: $?"
echo 'a passphrase that is long enough' | tunic backup /tmp/house.age
dpkg --purge tunic
dpkg --install /tmp/tunic.deb
echo 'a passphrase that is long enough' | tunic restore /tmp/house.age
cat /etc/tunic/tunic.toml /etc/tunic/onions/photos.toml
tunic check
`

// try installs the package and visits it.
func (f foreigner) try(t *testing.T) {
	t.Helper()
	packages, err := filepath.Glob("../../dist/tunic_*_" + f.arch + ".deb")
	if err != nil || len(packages) != 1 {
		t.Fatalf("there are the packages %q: run `make dist` (%v)", packages, err)
	}
	dir, err := os.MkdirTemp(Cache, "foreign.") // beside the roots: no file system of overlays
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	upper := filepath.Join(dir, "upper", "tmp")
	work, system := filepath.Join(dir, "work"), filepath.Join(dir, "system")
	if err := errors.Join(os.Chmod(dir, 0o755), os.MkdirAll(upper, 0o1777), os.Mkdir(work, 0o755), os.Mkdir(system, 0o755),
		command(t.Context(), "cp", packages[0], filepath.Join(upper, "tunic.deb"))); err != nil {
		t.Fatal(err)
	}
	cmd := f.inside(t.Context(), "sh", "-ec", onTop, f.root, dir, visit)
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	t.Logf("time: the visit: %.0f s\n%s", time.Since(begin).Seconds(), out)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"linux/" + f.goarch, "0 devices, 1 onion, 0 endpoints", "/var/backups/tunic-",
		"80 = \"192.168.77.20:8080\""} {
		if !strings.Contains(string(out), text) {
			t.Errorf("nobody says %q", text)
		}
	}
}
