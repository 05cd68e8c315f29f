// Package machines boots whole Debian systems in the place of a lab's gateway:
// systemd is process 1, tunic is installed by the README's steps and run by its
// units, the network is configured by systemd-networkd or NetworkManager. What such a machine
// sends is captured from before it is switched on. It can be switched off, or
// lose its power: then what no program has synced is lost with it.
//
// Use it for what a daemon that a test starts by itself cannot show: units, the
// order of a boot, Debian's own services, upgrades. It needs root,
// systemd-nspawn and mmdebstrap. Do not use it for what package
// tunic/internal/lab/e2e can show: a boot takes seconds.
//
// It has no clock of its own, and no memory controller where the system that
// runs the tests has cgroups of version 1. Wake runs the same system with both:
// with Debian's kernel in an emulator, which is slow.
package machines

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Release is a Debian that tunic runs on.
type Release struct {
	Codename string
	Name     string
	// timeDaemon is the package that keeps the clock of a root that has a kernel;
	// it is empty where the root has none.
	timeDaemon string
	more       string // packages beside the usual ones, with a space between
}

// Releases are all of them, the oldest first.
var Releases = []Release{{Codename: "bookworm", Name: "Debian 12"}, {Codename: "trixie", Name: "Debian 13"}}

// FindRelease returns the release with the code name.
func FindRelease(codename string) (Release, error) {
	var names []string
	for _, r := range Releases {
		if r.Codename == codename {
			return r, nil
		}
		names = append(names, r.Codename)
	}
	return Release{}, fmt.Errorf("finding Debian %q: there are %s", codename, strings.Join(names, " and "))
}

// packages is a Debian as a box has it: a minimal system with what its owner
// has installed. The lab's internet has no Debian mirror, so the box's own
// packages (`make deps`) and the servers that it manages are among them.
var packages = []string{
	"systemd", "systemd-sysv", ownTimeDaemon, "dbus", "udev", "kmod", "ca-certificates", // a minimal Debian
	"make", "sudo", "iproute2", "iputils-ping", "procps", "curl", "netcat-openbsd", // tools
	"nftables", "ufw", "network-manager", "dnsmasq-base", // other programs with rules; the last shares for the one before it
	"tor", "iptables", "dovecot-imapd", "prosody", "prosody-modules", "ngircd",
}

// ownTimeDaemon is what keeps the clock of a Debian whose owner has chosen nothing.
const ownTimeDaemon = "systemd-timesyncd"

// WithKernel returns the release whose root has a kernel of its own, for Wake,
// and the package timeDaemon to keep its clock.
func (r Release) WithKernel(timeDaemon string) Release {
	r.timeDaemon = timeDaemon
	return r
}

// WithPackages returns the release whose root has these packages too.
func (r Release) WithPackages(names ...string) Release {
	r.more = strings.Join(names, " ")
	return r
}

// packages is what the release's root is made of.
func (r Release) packages() []string {
	list := append(slices.Clone(packages), strings.Fields(r.more)...)
	if r.timeDaemon == "" {
		return list
	}
	list = append(list, "linux-image-cloud-"+runtime.GOARCH, "initramfs-tools")
	list[slices.Index(list, ownTimeDaemon)] = r.timeDaemon
	return list
}

// rootVersion changes when roots are made in another way.
const rootVersion = 1

// Cache is the directory in which roots are kept between runs.
const Cache = "/var/cache/tunic-machines"

// Root returns the directory of a system of the release, which nobody may
// change, and makes it if it is missing: that takes minutes, and Debian's
// mirror. say is told so.
func (r Release) Root(ctx context.Context, say func(string)) (string, error) {
	dir := filepath.Join(Cache, r.key())
	unlock, err := lock(filepath.Join(Cache, r.Codename+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		now := time.Now()
		return dir, os.Chtimes(dir, now, now) // so that dropOld spares it
	}
	say("making a root of " + r.Name + " in " + Cache)
	if err := r.dropOld(); err != nil {
		return "", err
	}
	if err := r.make(ctx, dir); err != nil {
		return "", fmt.Errorf("making a root of %s: %w", r.Name, err)
	}
	return dir, nil
}

// key names the root after all that it was made of, and after its kernel if it
// has one.
func (r Release) key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", rootVersion, strings.Join(r.packages(), " ")))
	kind := ""
	switch {
	case r.timeDaemon != "":
		kind = "kernel."
	case r.more != "":
		kind = "more."
	}
	return fmt.Sprintf("%s-%s%x", r.Codename, kind, sum[:6])
}

// lock waits for the lock file at path.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the directory of roots: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the roots: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the roots: %w", err), f.Close())
	}
	return func() { f.Close() }, nil
}

// keepOld is how long a root stays that no run has used.
const keepOld = 7 * 24 * time.Hour

// dropOld removes what an interrupted run left, and roots of other packages
// that nobody uses any more.
func (r Release) dropOld() error {
	found, err := filepath.Glob(filepath.Join(Cache, r.Codename+"-*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range found {
		info, err := os.Stat(dir)
		if err == nil && (strings.HasSuffix(dir, unfinished) || time.Since(info.ModTime()) > keepOld) {
			err = os.RemoveAll(dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// unfinished ends the name of a root that is being made.
const unfinished = ".new"

// make makes a root with mmdebstrap, from the mirror and with the settings that
// this machine's own apt has. Nothing of them stays in it.
func (r Release) make(ctx context.Context, dir string) error {
	sources, err := aptSources(ctx, r.Codename)
	if err != nil {
		return err
	}
	settings, err := aptSettings(ctx)
	if err != nil {
		return err
	}
	defer os.Remove(settings)
	args := slices.Concat([]string{"--variant=minbase", "--include=" + strings.Join(r.packages(), ","), "--aptopt=" + settings,
		"--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
		`--customize-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/apt/sources.list" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"`,
		r.Codename, dir + unfinished}, sources)
	cmd := ownMounts(ctx, "mmdebstrap", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
		return errors.Join(fmt.Errorf("running mmdebstrap: %w: %s", err, bytes.Join(lines[max(0, len(lines)-5):], []byte("\n"))),
			os.RemoveAll(dir+unfinished))
	}
	return os.Rename(dir+unfinished, dir)
}

// ownMounts is a command with a mount namespace of its own: when it is stopped
// half-way, nothing of what it has mounted (mmdebstrap: the /dev/shm of the
// system that runs the tests, among others) is in the way of removing the rest.
func ownMounts(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}
