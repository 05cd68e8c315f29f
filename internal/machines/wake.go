package machines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tunic/internal/lab"
)

// Awake is a machine that runs with a kernel, and so a clock, of its own, in an
// emulator (qemu). What it writes is gone when it ends: the machine's disk is as
// it was.
type Awake struct {
	m     *Machine
	shell *shell
}

// Wake switches a machine that is off on with the kernel of its root, see
// Release.WithKernel, and a clock that shows the given time. It returns when
// commands can be run in it, which is before systemd has started anything.
func (m *Machine) Wake(ctx context.Context, shows time.Time) (*Awake, error) {
	if err := m.copyDisk(ctx); err != nil {
		return nil, fmt.Errorf("making a disk for the emulator: %w", err)
	}
	argv, err := m.emulator(ctx, shows)
	if err != nil {
		return nil, err
	}
	if _, err := m.lab.StartMachine(m.gateway, argv...); err != nil {
		return nil, err
	}
	a := &Awake{m: m}
	if err := a.connect(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("waking %s: %w: see %s", m.gateway, err, m.console()), a.Cut(ctx))
	}
	return a, nil
}

// Files beside the machine's disk: the emulator's disk, the socket of its shell,
// and what its kernel and systemd say.
func (m *Machine) copied() string  { return filepath.Join(m.dir, "awake.img") }
func (m *Machine) socket() string  { return filepath.Join(m.dir, "shell.sock") }
func (m *Machine) console() string { return m.lab.LogFile("console-" + m.gateway) }

// The unit of the shell on the second serial port, and names for the interfaces.
// A shell whose input and errors are a terminal would write prompts.
const (
	shellUnit = `[Unit]
Description=the lab's shell
DefaultDependencies=no

[Service]
Environment=HOME=/root LANG=C.UTF-8 TERM=dumb
StandardInput=file:/dev/ttyS1
StandardOutput=file:/dev/ttyS1
StandardError=journal
ExecStart=/bin/sh -c 'stty raw -echo; echo; echo ` + shellReady + `; exec sh'
`
	linkFile = "[Match]\nMACAddress=%s\n\n[Link]\nName=%s\n"
)

// copyDisk writes all files of the machine to the disk of the emulator.
func (m *Machine) copyDisk(ctx context.Context) error {
	n, err := m.lab.Plan().Node(m.gateway)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(m.copied()), m.mount(ctx)); err != nil {
		return err
	}
	return errors.Join(
		m.WriteFile("etc/systemd/system/lab-shell.service", shellUnit),
		command(ctx, "systemctl", "--quiet", "--root="+m.system(), "add-wants", "sysinit.target", "lab-shell.service"),
		m.WriteFile("etc/systemd/network/05-wan.link", fmt.Sprintf(linkFile, n.Uplink.MAC, lab.MachineUplink)),
		m.WriteFile("etc/systemd/network/05-lan.link", fmt.Sprintf(linkFile, n.LAN.MAC, lab.MachineLAN)),
		command(ctx, "mke2fs", "-q", "-t", "ext4", "-d", m.system(), m.copied(), "4G"),
		m.unmount())
}

// emulator is the command line of qemu. The processor is emulated too: a system
// that can lend its own does not run these tests alone.
func (m *Machine) emulator(ctx context.Context, shows time.Time) ([]string, error) {
	kernel, err := filepath.Glob(filepath.Join(m.made.Root, "boot/vmlinuz-*"))
	initial, ierr := filepath.Glob(filepath.Join(m.made.Root, "boot/initrd.img-*"))
	if err := errors.Join(err, ierr); err != nil || len(kernel) != 1 || len(initial) != 1 {
		return nil, fmt.Errorf("finding the kernel of %s: it has %q and %q: %w", m.made.Root, kernel, initial, err)
	}
	namespace, uplink, household, err := m.lab.PlugInTaps(ctx, m.gateway)
	if err != nil {
		return nil, err
	}
	argv := []string{"ip", "netns", "exec", namespace, "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2",
		"-m", "1024", "-nodefaults", "-display", "none", "-no-reboot", "-rtc", "base=" + shows.UTC().Format("2006-01-02T15:04:05"),
		"-serial", "file:" + m.console(), "-serial", "unix:" + m.socket() + ",server=on,wait=off",
		"-kernel", kernel[0], "-initrd", initial[0], "-append", "root=/dev/vda rootfstype=ext4 rw console=ttyS0 systemd.show_status=no",
		"-drive", "file=" + m.copied() + ",if=virtio,format=raw,cache=unsafe"}
	for _, t := range []lab.Tap{uplink, household} {
		argv = append(argv, "-netdev", "tap,id="+t.Port+",ifname="+t.Port+",script=no,downscript=no",
			"-device", "virtio-net-pci,netdev="+t.Port+",mac="+t.MAC+",romfile=")
	}
	return argv, nil
}

// wakeLimit is how long an emulated kernel may take to its first processes.
const wakeLimit = 5 * time.Minute

// connect waits for the shell.
func (a *Awake) connect(ctx context.Context) error {
	var conn net.Conn
	err := a.m.until(ctx, "starting the emulator of", 10*time.Second, func() (up bool) {
		c, err := net.Dial("unix", a.m.socket())
		conn = c
		return err == nil
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wakeLimit)
	defer cancel()
	a.shell, err = newShell(ctx, conn, "/run")
	return err
}

// Exec runs a command in the machine and waits for it, as Lab.Exec does on
// other nodes; one at a time.
func (a *Awake) Exec(ctx context.Context, args ...string) (lab.Result, error) {
	return a.shell.exec(ctx, args)
}

// Cut takes the machine's power away.
func (a *Awake) Cut(ctx context.Context) error {
	p, err := a.m.lab.MachineProcess(a.m.gateway)
	if err == nil && p.Alive() {
		err = syscall.Kill(p.PID, syscall.SIGKILL)
	}
	err = errors.Join(err, a.m.gone(ctx, bootLimit))
	if gone := os.Remove(a.m.copied()); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return fmt.Errorf("cutting the power of %s: %w", a.m.gateway, err)
	}
	return nil
}
