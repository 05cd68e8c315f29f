package machines

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/config"
	"tunic/internal/lab"
)

// Router is a stand-in for an OpenWrt router, in the place of one gateway of a lab:
// busybox is its init, its shell and all its tools, and there is no systemd, getent or
// useradd. It has tor, iptables-nft and their libraries from the machine that runs the
// tests. There is no musl, and what is real of OpenWrt is what tunic's package brings:
// procd, rc.common and fw4 are stand-ins of a few lines (testdata/openwrt).
type Router struct {
	lab     *lab.Lab
	gateway string
	root    string
}

//go:embed testdata/openwrt
var routerFiles embed.FS

// routerPrograms are those of other packages that a router has; and one by which tests
// give up what the router may not do either.
var routerPrograms = []string{"tor", "xtables-nft-multi", "nft", "ip", "setpriv"}

// NewRouter makes the disk of a router that is off, without tunic. That of before goes.
func NewRouter(ctx context.Context, l *lab.Lab, gateway string) (*Router, error) {
	r := &Router{lab: l, gateway: gateway, root: filepath.Join(l.Dir(), "machines", gateway, "router")}
	if err := os.RemoveAll(r.root); err != nil {
		return nil, err
	}
	for _, dir := range []string{"bin", "dev", "etc/init.d", "etc/rc.d", "lib", "mnt", "proc", "root", "sbin", "sys", "tmp", "usr/bin",
		"usr/lib", "usr/sbin"} {
		if err := os.MkdirAll(filepath.Join(r.root, dir), 0o755); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(r.links(), r.busybox(ctx), r.files()); err != nil {
		return nil, fmt.Errorf("making a router: %w", err)
	}
	for _, name := range routerPrograms {
		if err := r.program(ctx, name); err != nil {
			return nil, fmt.Errorf("making a router: %w", err)
		}
	}
	if err := os.Rename(filepath.Join(r.root, "usr/sbin/setpriv"), filepath.Join(r.root, routerBounds[0])); err != nil {
		return nil, fmt.Errorf("making a router: %w", err)
	}
	if err := errors.Join(r.iptables(ctx), r.configure()); err != nil {
		return nil, fmt.Errorf("making a router: %w", err)
	}
	return r, nil
}

// links: everything below /var is in memory (base-files of OpenWrt); and what a boot
// starts.
func (r *Router) links() error {
	return errors.Join(os.Symlink("/tmp", filepath.Join(r.root, "var")), os.Symlink("/var/run", filepath.Join(r.root, "run")),
		os.Symlink("/bin/busybox", filepath.Join(r.root, "sbin/init")), os.Symlink("lib", filepath.Join(r.root, "lib64")),
		os.Symlink("/proc/mounts", filepath.Join(r.root, "etc/mtab")),
		os.Symlink("../init.d/dnsmasq", filepath.Join(r.root, "etc/rc.d/S19dnsmasq")),
		os.Symlink("../init.d/firewall", filepath.Join(r.root, "etc/rc.d/S19firewall")),
		os.Symlink("../init.d/network", filepath.Join(r.root, "etc/rc.d/S20network")))
}

// busybox installs its applets, but for those that a router has another program for.
func (r *Router) busybox(ctx context.Context) error {
	const from = "/bin/busybox"
	out, err := exec.CommandContext(ctx, from, "--list").Output()
	if err != nil {
		return fmt.Errorf("asking busybox for its programs: %w", err)
	}
	if err := copyProgram(from, filepath.Join(r.root, "bin/busybox")); err != nil {
		return err
	}
	for _, applet := range strings.Fields(string(out)) {
		switch applet {
		case "busybox", "init", "ip", "adduser", "addgroup", "deluser", "delgroup", "dpkg", "dpkg-deb", "rpm", "rpm2cpio":
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(r.root, "bin", applet)); err != nil {
			return err
		}
	}
	return nil
}

// files writes testdata/openwrt.
func (r *Router) files() error {
	const top = "testdata/openwrt"
	return fs.WalkDir(routerFiles, top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := routerFiles.ReadFile(path)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(string(text), "#!") {
			mode = 0o755
		}
		to := filepath.Join(r.root, strings.TrimPrefix(path, top))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, text, mode)
	})
}

// loaded is a path in the output of ldd(1): "libz.so.1 => /lib/libz.so.1 (0x7f..)".
var loaded = regexp.MustCompile(`(?m)(?:=> |^\s*)(/\S+) \(0x`)

// program copies one with the libraries that it is linked to.
func (r *Router) program(ctx context.Context, name string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("finding what a router has: %w", err)
	}
	return errors.Join(copyProgram(path, filepath.Join(r.root, "usr/sbin", name)), r.libraries(ctx, path))
}

func (r *Router) libraries(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, "ldd", path).Output()
	if err != nil {
		return fmt.Errorf("asking for the libraries of %s: %w", path, err)
	}
	for _, m := range loaded.FindAllStringSubmatch(string(out), -1) {
		to := filepath.Join(r.root, "usr/lib", filepath.Base(m[1]))
		if strings.Contains(filepath.Base(m[1]), "ld-linux") {
			to = filepath.Join(r.root, "lib", filepath.Base(m[1])) // the loader's path is in each program
		}
		if err := copyProgram(m[1], to); err != nil {
			return err
		}
	}
	return nil
}

// iptables gives xtables-nft-multi its names, and the matches where it looks for them.
func (r *Router) iptables(ctx context.Context) error {
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, end := range []string{"", "-save", "-restore"} {
			if err := os.Symlink("xtables-nft-multi", filepath.Join(r.root, "usr/sbin", name+end)); err != nil {
				return err
			}
		}
	}
	matches, err := filepath.Glob("/usr/lib/*/xtables/*.so")
	if err != nil || len(matches) == 0 {
		return fmt.Errorf("finding the matches of iptables: there are %d: %w", len(matches), err)
	}
	for _, from := range matches {
		to := filepath.Join(r.root, from)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := copyProgram(from, to); err != nil {
			return err
		}
		if strings.HasSuffix(from, "conntrack.so") {
			if err := r.libraries(ctx, from); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyProgram(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copying what a router has: %w", err)
	}
	return os.WriteFile(to, text, 0o755)
}

// configure writes the network of the gateway's place in the lab, and the lab's Tor
// network.
func (r *Router) configure() error {
	n, err := r.lab.Plan().Node(r.gateway)
	if err != nil {
		return err
	}
	tor, err := os.ReadFile(filepath.Join(config.NewPaths(r.lab.Root(r.gateway)).TorrcDir(), "lab.conf"))
	if err != nil {
		return fmt.Errorf("reading the lab's Tor network: %w", err)
	}
	var b strings.Builder
	b.WriteString("sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n" +
		"sysctl -q -w net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0\n")
	fmt.Fprintf(&b, "ip link add br-lan address %s type bridge\nip link set %s master br-lan\nip link set lo up\n",
		n.LAN.MAC, lab.MachineLAN)
	for name, addrs := range map[string]lab.Interface{"br-lan": n.LAN, lab.MachineUplink: n.Uplink} {
		for _, a := range addrs.Addrs {
			fmt.Fprintf(&b, "ip addr add %s dev %s\n", a, name)
		}
	}
	fmt.Fprintf(&b, "ip link set %s up\nip link set br-lan up\nip link set %s up\n", lab.MachineLAN, lab.MachineUplink)
	for _, a := range n.MachineDefault() {
		fmt.Fprintf(&b, "ip route add default via %s\n", a)
	}
	fmt.Fprintf(&b, "echo 'nameserver %s' >/tmp/resolv.conf.auto\n", n.Resolver)
	return errors.Join(r.WriteFile("etc/network.sh", b.String()), r.WriteFile("etc/tunic/torrc.d/lab.conf", string(tor)))
}

// WriteFile writes a file of the router, which may be on; path is relative to its root.
func (r *Router) WriteFile(path, text string) error {
	path = filepath.Join(r.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the directory of a file of the router: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing a file of the router: %w", err)
	}
	return nil
}

// routerStart makes the root $0 the only one of new namespaces, and process 1 of them
// its init. It may do what a router's may, but for the clock and the kernel's modules,
// which are not its own.
const routerStart = `
mount --make-rprivate /
mount --bind "$0" "$0"
cd "$0"
mount -t tmpfs -o mode=755,nosuid tmpfs dev
for d in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
  set -- $d
  mknod -m 666 dev/$1 c $2 $3
done
ln -s /proc/self/fd dev/fd
pivot_root . mnt
exec /bin/busybox sh -c 'umount -l /mnt && exec /sbin/init' </dev/null`

// routerBounds begin a command that neither sets the clock nor loads modules: both are
// those of the system that runs the tests.
var routerBounds = []string{"/usr/bin/setpriv", "--bounding-set=-sys_time,-sys_module", "--inh-caps=-sys_time,-sys_module"}

// Boot switches the router on, and returns when its init has run all scripts.
func (r *Router) Boot(ctx context.Context) error {
	namespace, err := r.lab.PlugIn(ctx, r.gateway)
	if err != nil {
		return err
	}
	argv := slices.Concat([]string{"nsenter", "--net=/run/netns/" + namespace}, routerBounds,
		[]string{"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
			"unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child", "sh", "-ec", routerStart, r.root})
	if _, err := r.lab.StartMachine(r.gateway, argv...); err != nil {
		return err
	}
	return r.until(ctx, "booting", bootLimit, func() bool {
		leader, err := r.lab.Leader(r.gateway)
		if err != nil {
			return false
		}
		_, err = os.Stat(fmt.Sprintf("/proc/%d/root/tmp/booted", leader))
		return err == nil
	})
}

// PowerOff shuts the router down in order, as its `poweroff` does (init of busybox).
func (r *Router) PowerOff(ctx context.Context) error { return r.end(ctx, syscall.SIGUSR2) }

// Cut ends all its processes at once. What was written is on the disk: that of the
// system that runs the tests.
func (r *Router) Cut(ctx context.Context) error { return r.end(ctx, syscall.SIGKILL) }

func (r *Router) end(ctx context.Context, signal syscall.Signal) error {
	leader, err := r.lab.Leader(r.gateway)
	if err == nil {
		err = syscall.Kill(leader, signal)
	}
	if err != nil {
		return fmt.Errorf("switching the router off: %w", err)
	}
	return r.until(ctx, "switching off", poweroffLimit, func() bool {
		p, err := r.lab.MachineProcess(r.gateway)
		return err != nil || !p.Alive()
	})
}

func (r *Router) until(ctx context.Context, what string, limit time.Duration, done func() bool) error {
	return (&Machine{lab: r.lab, gateway: r.gateway}).until(ctx, what, limit, done)
}
