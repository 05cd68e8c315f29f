package machines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tunic/internal/lab"
)

// Source is the directory of the machine in which the checkout is.
const Source = "/usr/src/tunic"

// Machine is a system in the place of one gateway of a lab. Its disk is a file:
// a file system with all that differs from the release's root.
type Machine struct {
	lab     *lab.Lab
	gateway string
	dir     string // of the machine's own files, in the lab's
	made    made
}

// made is what a machine was made of, kept beside its disk.
type made struct {
	Root     string // the release's
	Checkout string
}

// New makes the disk of a machine that is off, with the network of the gateway
// configured, and the checkout at Source. The machine's earlier disk goes.
func New(ctx context.Context, l *lab.Lab, gateway, root, checkout string) (*Machine, error) {
	m := at(l, gateway)
	m.made = made{Root: root, Checkout: checkout}
	if err := m.makeDisk(ctx); err != nil {
		return nil, fmt.Errorf("making the disk of %s: %w", gateway, err)
	}
	if err := errors.Join(m.mount(ctx), m.configure(ctx), m.unmount()); err != nil {
		return nil, fmt.Errorf("configuring %s: %w", gateway, err)
	}
	text, err := json.Marshal(m.made)
	if err != nil {
		return nil, err
	}
	return m, os.WriteFile(m.madeFile(), text, 0o644)
}

// Reconfigure gives a machine that is off the network of the place that it has
// now, see Lab.SetBeside.
func (m *Machine) Reconfigure(ctx context.Context) error {
	if err := errors.Join(m.mount(ctx), m.configureNetwork(), m.unmount()); err != nil {
		return fmt.Errorf("configuring the network of %s: %w", m.gateway, err)
	}
	return nil
}

// Load returns the machine that New has made in a lab.
func Load(l *lab.Lab, gateway string) (*Machine, error) {
	m := at(l, gateway)
	text, err := os.ReadFile(m.madeFile())
	if err == nil {
		err = json.Unmarshal(text, &m.made)
	}
	if err != nil {
		return nil, fmt.Errorf("finding the machine of %s: %w", gateway, err)
	}
	return m, nil
}

func at(l *lab.Lab, gateway string) *Machine {
	return &Machine{lab: l, gateway: gateway, dir: filepath.Join(l.Dir(), "machines", gateway)}
}

func (m *Machine) madeFile() string { return filepath.Join(m.dir, "made.json") }

// Boot switches the machine on, and returns when it has a process 1.
func (m *Machine) Boot(ctx context.Context) error {
	if err := m.mount(ctx); err != nil {
		return fmt.Errorf("booting %s: %w", m.gateway, err)
	}
	namespace, err := m.lab.PlugIn(ctx, m.gateway)
	if err != nil {
		return errors.Join(err, m.unmount())
	}
	argv, err := m.argv(namespace)
	if err == nil { // a cut that failed may have left it frozen
		err = m.freeze(false)
	}
	if err != nil {
		return errors.Join(err, m.unmount())
	}
	if _, err := m.lab.StartMachine(m.gateway, argv...); err != nil {
		return errors.Join(err, m.unmount())
	}
	return m.until(ctx, "booting", bootLimit, func() bool {
		_, err := m.lab.Leader(m.gateway)
		return err == nil
	})
}

// Limits of what systemd-nspawn and systemd may take.
const (
	bootLimit     = 90 * time.Second
	poweroffLimit = 100 * time.Second
)

// argv is the command line of systemd-nspawn, in a cgroup of its own. The
// machine may read the clock, as programs that ask how good it is do, and never
// set it.
func (m *Machine) argv(namespace string) ([]string, error) {
	group, err := m.cgroup()
	if err != nil {
		return nil, err
	}
	return []string{"sh", "-ec", `echo $$ >"$0/cgroup.procs" && exec "$@"`, group,
		"env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network",
		"systemd-nspawn", "--quiet", "--boot", "--directory=" + m.system(), "--machine=" + m.name(), "--hostname=box",
		"--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
		"--network-namespace-path=/run/netns/" + namespace, "--capability=CAP_NET_ADMIN",
		"--drop-capability=CAP_SYS_TIME", "--system-call-filter=adjtimex clock_adjtime",
		"--bind-ro=" + m.made.Checkout + ":" + Source}, nil
}

func (m *Machine) name() string   { return "tunic-" + m.lab.Plan().ID + "-" + m.gateway }
func (m *Machine) image() string  { return filepath.Join(m.dir, "disk.img") }
func (m *Machine) disk() string   { return filepath.Join(m.dir, "disk") }
func (m *Machine) system() string { return filepath.Join(m.dir, "root") }

// cgroup makes the machine's cgroup, of version 2, and returns its directory.
func (m *Machine) cgroup() (string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("finding the cgroups: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if at := strings.Fields(line); strings.Contains(line, " - cgroup2 ") {
			dir := filepath.Join(at[4], m.name())
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return "", fmt.Errorf("making a cgroup: %w", err)
			}
			return dir, nil
		}
	}
	return "", errors.New("finding the cgroups: this machine has none of version 2, which systemd needs")
}

// PowerOff shuts the machine down in order.
func (m *Machine) PowerOff(ctx context.Context) error {
	leader, err := m.lab.Leader(m.gateway)
	if err != nil {
		return err
	}
	const poweroff = syscall.Signal(34 + 4) // SIGRTMIN+4, systemd(1)
	if err := syscall.Kill(leader, poweroff); err != nil {
		return fmt.Errorf("switching %s off: %w", m.gateway, err)
	}
	if err := m.gone(ctx, poweroffLimit); err != nil {
		return errors.Join(err, m.Cut(ctx))
	}
	return m.clean()
}

// gone waits until nothing of the machine runs.
func (m *Machine) gone(ctx context.Context, limit time.Duration) error {
	return m.until(ctx, "switching off", limit, func() bool {
		p, err := m.lab.MachineProcess(m.gateway)
		return err != nil || !p.Alive()
	})
}

func (m *Machine) until(ctx context.Context, what string, limit time.Duration, done func() bool) error {
	for deadline := time.Now().Add(limit); !done(); {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("%s %s: not after %v: see %s", what, m.gateway, limit, m.lab.LogFile("machine-"+m.gateway))
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ctx.Err()
}

// clean removes what a machine that is off leaves in the kernel.
func (m *Machine) clean() error {
	group, err := m.cgroup()
	if err != nil {
		return err
	}
	err = errors.Join(m.unmount(), m.until(context.Background(), "emptying the cgroup of", bootLimit, func() bool {
		text, err := os.ReadFile(filepath.Join(group, "cgroup.events"))
		return err == nil && strings.Contains(string(text), "populated 0")
	}))
	return errors.Join(err, removeGroups(group))
}

// removeGroups removes a cgroup that has no processes, and those below it.
func removeGroups(dir string) error {
	var below []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			below = append(below, path)
		}
		return err
	})
	for i := len(below) - 1; i >= 0; i-- {
		err = errors.Join(err, os.Remove(below[i]))
	}
	return err
}

// Cut takes the machine's power away: all its processes stop at once, and its
// disk is from then on what was written to it at this moment. What only the
// memory of the machine had is lost.
func (m *Machine) Cut(ctx context.Context) error {
	group, err := m.cgroup()
	if err != nil {
		return err
	}
	errs := []error{
		m.freeze(true),
		m.until(ctx, "freezing", time.Second, func() bool { return frozen(group) }),
		m.copyStill(ctx, m.image()+".cut"),
		os.WriteFile(filepath.Join(group, "cgroup.kill"), []byte("1"), 0),
		m.gone(ctx, bootLimit),
		m.clean(),
		os.Rename(m.image()+".cut", m.image()),
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cutting the power of %s: %w", m.gateway, err)
	}
	return nil
}

// freeze stops all of the machine's processes where they are, or lets them go on.
func (m *Machine) freeze(stop bool) error {
	group, err := m.cgroup()
	if err != nil {
		return err
	}
	text := "0"
	if stop {
		text = "1"
	}
	return os.WriteFile(filepath.Join(group, "cgroup.freeze"), []byte(text), 0)
}

func frozen(group string) bool {
	text, err := os.ReadFile(filepath.Join(group, "cgroup.events"))
	return err == nil && strings.Contains(string(text), "frozen 1")
}

// copyStill copies the disk as it is at one moment: the kernel goes on writing
// when all processes stand still, and half of a copy from before and half from
// after such a write would be a disk that never was.
func (m *Machine) copyStill(ctx context.Context, to string) error {
	for range 20 {
		before, err := m.writes()
		if err != nil {
			return err
		}
		if err := copyImage(ctx, m.image(), to); err != nil {
			return err
		}
		if after, err := m.writes(); err != nil || after == before {
			return err
		}
	}
	return fmt.Errorf("copying %s: the kernel does not stop writing to it", m.image())
}

// writes is how often something was written to the disk (Documentation/block/stat).
func (m *Machine) writes() (string, error) {
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return "", err
	}
	for _, path := range loops {
		if text, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(text)) != m.image() {
			continue // of another, or just gone
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(path), "../stat"))
		fields := strings.Fields(string(stat))
		if err != nil || len(fields) < 5 {
			return "", fmt.Errorf("reading how often the disk was written: %q, %w", stat, err)
		}
		return fields[4], nil
	}
	return "", fmt.Errorf("no loop device has %s", m.image())
}

func copyImage(ctx context.Context, from, to string) error {
	return command(ctx, "cp", "--sparse=always", from, to)
}

// command runs a program that says something only when it fails.
func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// diskSize bounds the disk; the file is as big as what was written to it.
const diskSize = 2 << 30

func (m *Machine) makeDisk(ctx context.Context) error {
	if err := errors.Join(os.RemoveAll(m.dir), os.MkdirAll(m.disk(), 0o755), os.MkdirAll(m.system(), 0o755)); err != nil {
		return err
	}
	err := os.WriteFile(m.image(), nil, 0o600)
	if err == nil {
		err = os.Truncate(m.image(), diskSize)
	}
	if err != nil {
		return err
	}
	return command(ctx, "mkfs.ext4", "-q", "-F", m.image())
}

// diskOptions: the file system does not sync by itself what a program should
// have synced.
const diskOptions = "loop,commit=300,noauto_da_alloc"

// mount puts the disk on top of the release's root.
func (m *Machine) mount(ctx context.Context) error {
	if err := command(ctx, "mount", "-o", diskOptions, m.image(), m.disk()); err != nil {
		return err
	}
	upper, work := filepath.Join(m.disk(), "upper"), filepath.Join(m.disk(), "work")
	err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755))
	if err == nil {
		err = unix.Mount("overlay", m.system(), "overlay", 0, "lowerdir="+m.made.Root+",upperdir="+upper+",workdir="+work)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("mounting the root: %w", err), unix.Unmount(m.disk(), 0))
	}
	return nil
}

// unmount writes out all that the machine has written, as systemd-shutdown does at the
// end of a machine that is not in a container. Unmounting alone need not: a process of
// the tests that began meanwhile in a mount namespace of its own holds the file system.
func (m *Machine) unmount() error {
	err := m.sync()
	if err := errors.Join(err, unix.Unmount(m.system(), 0), unix.Unmount(m.disk(), 0)); err != nil {
		return fmt.Errorf("unmounting the machine's disk: %w", err)
	}
	return nil
}

// sync writes to the disk what only the memory has.
func (m *Machine) sync() error {
	disk, err := os.Open(m.disk())
	if err != nil {
		return err
	}
	defer disk.Close()
	return unix.Syncfs(int(disk.Fd()))
}

// Leader is process 1 of the machine, as the lab sees it.
func (m *Machine) Leader() (int, error) { return m.lab.Leader(m.gateway) }
