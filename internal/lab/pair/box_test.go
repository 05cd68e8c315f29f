//go:build lab

package pair

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunic/internal/lab"
)

// box is one of the two: a namespace with a cable to the household and one to the
// internet, and a directory that stands for its disk.
type box struct {
	*house
	number    int
	namespace string
	disk      string
	args      []string  // what is replaced in keepalived's file
	booted    time.Time // the last time
}

func (b *box) other() *box { return b.boxes[2-b.number] }

func (b *box) name() string { return fmt.Sprintf("box%d", b.number) }

// lan and wan are the box's own addresses.
func (b *box) lan() string { return fmt.Sprintf("192.168.77.%d", b.number+1) }
func (b *box) wan() string { return fmt.Sprintf("203.0.113.%d", 109+b.number) }

// command prepares a program on the box. Each box has its disk at the same place,
// as two real ones have: what ip(8) starts has mounts of its own.
func (b *box) command(ctx context.Context, args ...string) *exec.Cmd {
	words := append([]string{"netns", "exec", b.namespace, "sh", "-ec",
		`mount --bind "$0" "$TUNIC_ROOT"; exec "$@"`, b.disk}, args...)
	cmd := exec.CommandContext(ctx, "ip", words...)
	cmd.Env = append(os.Environ(), "TUNIC_ROOT="+b.root, "SSL_CERT_FILE="+b.lab.CertificateFile(),
		"TUNIC_PAIR_CONF="+filepath.Join(b.root, "etc/tunic-pair.conf"), "PATH="+b.bin+":"+os.Getenv("PATH"))
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

func (b *box) run(args ...string) (string, error) {
	cmd := b.command(b.ctx, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), err
}

func (b *box) must(args ...string) string {
	b.Helper()
	out, err := b.run(args...)
	if err != nil {
		b.Fatalf("%s on %s: %v: %s", strings.Join(args, " "), b.name(), err, out)
	}
	return out
}

// start starts a program that goes on; it writes to a log of the lab.
func (b *box) start(name string, args ...string) {
	b.Helper()
	log, err := os.OpenFile(b.lab.LogFile(b.name()+"-"+name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	cmd := b.command(context.Background(), args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
}

// ip runs a line of ip(8) in the lab.
func (h *house) ip(format string, args ...any) {
	h.Helper()
	words := strings.Fields(fmt.Sprintf(format, args...))
	if out, err := exec.CommandContext(h.ctx, "ip", words...).CombinedOutput(); err != nil {
		h.Fatalf("ip %s: %v: %s", strings.Join(words, " "), err, out)
	}
}

// boot switches a box on: its kernel knows nothing, and rules come before cables,
// as tunic-lockdown.service has it.
func (b *box) boot() {
	b.Helper()
	b.booted = time.Now()
	b.ip("netns add %s", b.namespace)
	b.must("sysctl", "-q", "-w", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
		"net.ipv6.conf.all.accept_ra=0", "net.ipv6.conf.default.accept_ra=0",
		"net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.forwarding=1")
	for _, cable := range []struct{ port, bridge, name, kind string }{
		{b.name() + "-lan", "br-lan", "br-lan", "0a"}, {b.name() + "-wan", "br-wan", "wan", "0b"}} {
		b.ip("-n %s link add %s type veth peer name %s address 02:00:00:%s:00:%02d netns %s",
			b.wires, cable.port, cable.name, cable.kind, b.number+1, b.namespace)
		b.ip("-n %s link set %s master %s", b.wires, cable.port, cable.bridge)
		b.ip("-n %s link set %s up", b.wires, cable.port)
	}
	if err := os.RemoveAll(filepath.Join(b.disk, "run")); err != nil { // which is in memory
		b.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(b.disk, "run"), 0o755); err != nil {
		b.Fatal(err)
	}
	b.must("tunic", "lockdown", "--boot")
	b.ip("-n %s link set lo up", b.namespace)
	for _, i := range []string{"wan", "br-lan"} {
		b.ip("-n %s link set %s up", b.namespace, i)
	}
	for _, a := range []string{b.lan() + "/24 dev br-lan", b.wan() + "/24 dev wan", fmt.Sprintf("fd77::%d/64 dev br-lan nodad", b.number+1),
		fmt.Sprintf("2001:db8:77::%d/64 dev br-lan nodad", b.number+1), fmt.Sprintf("2001:db8::%d/64 dev wan nodad", 109+b.number)} {
		b.ip("-n %s addr add %s", b.namespace, a)
	}
	b.ip("-n %s route add default via 203.0.113.254", b.namespace)
	b.ip("-n %s route add default via 2001:db8::254", b.namespace)
	b.start("sshd", "/usr/sbin/sshd", "-D", "-e", "-f", filepath.Join(b.root, "etc/sshd.conf"))
	b.startKeepalived()
	b.start("keep", "tunic-pair", "keep")
}

func (b *box) startKeepalived() {
	b.Helper()
	text := strings.NewReplacer(b.args...).Replace(b.file("keepalived.conf"))
	b.write(filepath.Join(b.disk, "etc/keepalived.conf"), text, 0o644)
	b.start("keepalived", "keepalived", "--dont-fork", "--log-console", "--vrrp", "-f", filepath.Join(b.root, "etc/keepalived.conf"),
		"-p", filepath.Join(b.root, "run/keepalived.pid"), "-r", filepath.Join(b.root, "run/vrrp.pid"))
}

// kill takes a box's power: its cables are dead before its processes, so nobody
// hears of it, and what its kernel knew is gone.
func (b *box) kill() {
	b.Helper()
	for _, port := range []string{"lan", "wan"} {
		b.ip("-n %s link delete %s-%s", b.wires, b.name(), port)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		pids := b.pids("")
		if len(pids) == 0 {
			break
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s does not end: %v", b.name(), pids)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.ip("netns delete %s", b.namespace)
}

// pids are the processes of a box that run a program, all with "".
func (b *box) pids(program string) (found []int) {
	out, _ := exec.Command("ip", "netns", "pids", b.namespace).Output() // there may be no such box now
	for _, field := range strings.Fields(string(out)) {
		comm, err := os.ReadFile("/proc/" + field + "/comm")
		pid, _ := strconv.Atoi(field)
		if err == nil && pid > 0 && (program == "" || strings.TrimSpace(string(comm)) == program) {
			found = append(found, pid)
		}
	}
	return found
}

// master reports whether the box has the household's address.
func (b *box) master() bool {
	out, _ := exec.Command("ip", "-n", b.namespace, "-o", "addr", "show", "dev", "br-lan").Output()
	return strings.Contains(string(out), " 192.168.77.1/24 ") && strings.Contains(string(out), " 2001:db8:77::1/64 ")
}

// works reports whether tunic says that all works.
func (b *box) works() bool {
	_, err := b.run("tunic", "wait", "--timeout", "1s")
	return err == nil
}

// current reports whether the other box has all of this one, and nothing waits on
// either.
func (b *box) current() bool {
	synced, err := os.Stat(filepath.Join(b.disk, "var/lib/tunic-pair/synced"))
	_, waits := os.Stat(filepath.Join(b.other().disk, "var/lib/tunic-pair/master"))
	return err == nil && os.IsNotExist(waits) && synced.ModTime().After(b.other().booted)
}

// inbox returns how often each mail of ann's has arrived, by subject.
func (b *box) inbox() map[string]int {
	found := make(map[string]int)
	for _, sub := range []string{"new", "cur"} {
		paths, _ := filepath.Glob(filepath.Join(b.disk, "var/lib/tunic/mail/ann/Maildir", sub, "*"))
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				continue
			}
			_, subject, _ := strings.Cut(string(text), "Subject: ")
			subject, _, _ = strings.Cut(subject, "\r\n")
			found[subject]++
		}
	}
	return found
}

func (h *house) file(name string) string {
	h.Helper()
	text, err := os.ReadFile(filepath.Join("../../../deploy/ha", name))
	if err != nil {
		h.Fatal(err)
	}
	return string(text)
}

func (h *house) write(path, text string, mode os.FileMode) {
	h.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), mode)
	}
	if err != nil {
		h.Fatal(err)
	}
}

// house is the household with its two boxes, as the test sees it.
type house struct {
	*testing.T
	ctx   context.Context
	lab   *lab.Lab
	wires string // the namespace that the household's switch is in
	bin   string // of tunic and tunic-pair
	root  string // where both have their disks
	boxes [2]*box

	capture *lab.Capture // what leaves the household, by either box
}
