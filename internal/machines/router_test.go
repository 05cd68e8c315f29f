//go:build machines

package machines

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// routerArch is the processor of the tests' machine as OpenWrt calls it.
var routerArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64_generic"}[runtime.GOARCH]

// TestOpenWrt installs the package on a stand-in for a router, and has happen to it what
// happens to one, while a device sends what must not leave.
func TestOpenWrt(t *testing.T) {
	w := newWorld(t, nil, usual)
	w.release = Release{Codename: "OpenWrt", Name: "OpenWrt, a stand-in"}
	r, err := NewRouter(w.ctx, w.lab, box)
	if err != nil {
		t.Fatal(err)
	}
	w.router = r
	t.Cleanup(func() {
		if t.Failed() {
			says, err := w.lab.Exec(context.WithoutCancel(w.ctx), box, "sh", "-c", "cd /tmp/log && head -c 20000 boot tunic")
			t.Logf("what the router says: %v\n%s", err, says.Stdout)
		}
		if _, err := w.lab.Leader(box); err == nil {
			if err := r.Cut(context.WithoutCancel(w.ctx)); err != nil {
				t.Error(err)
			}
		}
	})
	w.routerBoots()
	for _, s := range []scenario{
		{name: "install", do: routerInstall, open: true},
		{name: "protected", do: func(w *world) { w.protected() }},
		{name: "no more than it may", do: routerProcesses},
		{name: "publish and fetch", do: publishAndFetch},
		{name: "restart of the firewall", do: routerFirewall},
		{name: "reload, with a mistake and without", do: routerReload},
		{name: "reboot", do: routerReboot},
		{name: "power cut", do: routerCut},
		{name: "stop and start", do: routerStop},
		{name: "upgrade", do: routerUpgrade},
		{name: "uninstall", do: routerRemoved, open: true},
	} {
		if !t.Run(s.name, func(t *testing.T) { w.in(t).play(s) }) && s.name == "install" {
			t.FailNow()
		}
	}
}

func (w *world) routerBoots() {
	w.Helper()
	if err := w.router.Boot(w.ctx); err != nil {
		w.Fatal(err)
	}
}

// routerWrites writes a file of the router.
func (w *world) routerWrites(path, text string) {
	w.Helper()
	if err := w.router.WriteFile(path, text); err != nil {
		w.Fatal(err)
	}
}

// opkg is a stand-in for OpenWrt's, with what it does with a package.
const opkg = `#!/bin/sh -e
dir=/usr/lib/opkg/info; mkdir -p $dir /tmp/p; cd /tmp/p
case $1 in
install)
  upgrade=; [ ! -e $dir/tunic.postinst ] || { upgrade=1; PKG_UPGRADE=1 sh $dir/tunic.prerm upgrade; }
  tar xzf "$2" && tar xzf ./control.tar.gz && tar tzf ./data.tar.gz >$dir/tunic.list
  [ ! -e /etc/config/tunic ] || cp -p /etc/config/tunic /tmp/kept
  tar xzf ./data.tar.gz -C /
  [ ! -e /tmp/kept ] || mv /tmp/kept /etc/config/tunic
  cp postinst $dir/tunic.postinst; cp prerm $dir/tunic.prerm
  PKG_UPGRADE=$upgrade sh $dir/tunic.postinst configure;;
remove)
  sh $dir/tunic.prerm remove
  while read -r f; do [ -d "/$f" ] || [ "$f" = ./etc/config/tunic ] || rm -f "/$f"; done <$dir/tunic.list
  rm $dir/tunic.*;;
esac
`

// routerInstall installs the package as a person would who has copied it to the router.
// Nothing changes before it is enabled.
func routerInstall(w *world) {
	if routerArch == "" {
		w.Fatalf("there is no package for this processor, %s", runtime.GOARCH)
	}
	dist := w.TempDir()
	build := exec.CommandContext(w.ctx, "make", "-C", w.checkout, "dist-openwrt", "OPENWRT_ARCHS="+routerArch, "OPENWRT_DIST="+dist)
	if out, err := build.CombinedOutput(); err != nil {
		w.Fatalf("building the package: %v\n%s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(dist, "*.ipk"))
	if err != nil || len(found) != 1 {
		w.Fatalf("the packages are %q, %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		w.Fatal(err)
	}
	w.routerWrites("root/tunic.ipk", string(text))
	w.routerWrites("root/opkg", opkg)
	for _, tool := range []string{"systemctl", "getent", "useradd", "adduser", "bash"} {
		if w.exec(box, "which", tool).Code == 0 {
			w.Errorf("the router has %s, which OpenWrt has not", tool)
		}
	}
	w.must(box, "sh", "/root/opkg", "install", "/root/tunic.ipk")
	if seen := w.must("phone", "curl", "-sS", "-m", "10", whoAmI); seen != "192.168.77.10" {
		w.Errorf("before it is enabled the web sees %q", seen)
	}
	w.shell("sed -i \"s/option enabled '0'/option enabled '1'/\" /etc/config/tunic && /etc/init.d/tunic start")
	w.protected()
	if text := w.shell("cat /tmp/dnsmasq.cfg1.d/tunic.conf /tmp/log/dnsmasq"); !strings.Contains(text, "no-resolv") ||
		strings.Count(text, "started") < 2 {
		w.Errorf("dnsmasq was not handed over: %s", text)
	}
}

// routerProcesses: each has its user, the keys are on the disk, and nobody but tor's
// user may send.
func routerProcesses(w *world) {
	list := w.shell("ps -o user,args") // of a user's name it shows 8 letters
	for _, process := range []string{`root +/usr/bin/tunic run`, `tunic +\{tunic-serve\} /usr/bin/tunic serve`,
		`tunic-to +/usr/sbin/tor `} {
		if !regexp.MustCompile(`(?m)^` + process).MatchString(list) {
			w.Errorf("there is no %q:\n%s", process, list)
		}
	}
	if kind := w.shell("stat -f -c %T /srv/tunic"); strings.Contains(kind, "tmpfs") {
		w.Errorf("the keys are in memory")
	}
	keep := w.shell("cat /lib/upgrade/keep.d/tunic")
	for _, path := range []string{"/srv/tunic/", "/etc/tunic/"} {
		if !strings.Contains(keep, path) {
			w.Errorf("an upgrade of the firmware loses %s", path)
		}
		w.must(box, "test", "-d", path)
	}
	w.must(box, "test", "!", "-e", "/var/lib/tunic")
}

// routerFirewall: fw4 builds its table again, and then somebody flushes everything.
func routerFirewall(w *world) {
	w.must(box, "/etc/init.d/firewall", "restart")
	w.protected()
	w.must(box, "sh", "-c", "nft flush ruleset && /etc/init.d/firewall restart")
	w.protected()
	for _, family := range []string{"-4", "-6"} {
		if rules := w.must(box, "/usr/sbin/ip", family, "rule"); strings.Count(rules, "proto 116") != 6 {
			w.Errorf("the second wall is not whole:\n%s", rules)
		}
	}
}

// routerReload: what is wrong in /etc/config/tunic is told, and changes nothing.
func routerReload(w *world) {
	before := w.shell("cat /etc/tunic/tunic.toml; cat /tmp/procd/tunic.run.pid")
	w.shell("cp /etc/config/tunic /tmp/good && sed -i \"s/'lan'/'lna'/\" /etc/config/tunic")
	if r := w.exec(box, "/etc/init.d/tunic", "reload"); !strings.Contains(r.Stdout+r.Stderr, `no network called "lna"`) {
		w.Errorf("the mistake is not told: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
	w.protected()
	if after := w.shell("cat /etc/tunic/tunic.toml; cat /tmp/procd/tunic.run.pid"); after != before {
		w.Errorf("a mistake has changed something:\n%s\nnow\n%s", before, after)
	}
	w.shell("sed \"s/option policy 'tor'/option policy 'block'/\" /tmp/good >/etc/config/tunic && /etc/init.d/tunic reload")
	w.closed()
	w.shell("cp /tmp/good /etc/config/tunic && /etc/init.d/tunic reload")
	w.protected()
}

func routerReboot(w *world) {
	address := w.must(box, "tunic", "address", "home")
	for range 3 {
		if err := w.router.PowerOff(w.ctx); err != nil {
			w.Fatal(err)
		}
		w.routerBoots()
		w.protected()
	}
	if now := w.must(box, "tunic", "address", "home"); now != address {
		w.Errorf("home was %s and is %s", address, now)
	}
}

func routerCut(w *world) {
	if err := w.router.Cut(w.ctx); err != nil {
		w.Fatal(err)
	}
	w.routerBoots()
	w.protected()
}

// routerStop: the household stays closed, also when fw4 builds its table again.
func routerStop(w *world) {
	w.must(box, "/etc/init.d/tunic", "stop")
	w.closed()
	w.must(box, "/etc/init.d/firewall", "restart")
	w.closed()
	time.Sleep(2 * time.Second) // in which the phone sends
	w.must(box, "/etc/init.d/tunic", "start")
	w.protected()
}

func routerUpgrade(w *world) {
	users, address := w.shell("cat /etc/passwd"), w.must(box, "tunic", "address", "home")
	w.must(box, "sh", "/root/opkg", "install", "/root/tunic.ipk")
	w.protected()
	if now := w.shell("cat /etc/passwd"); now != users {
		w.Errorf("the users were\n%s\nand are\n%s", users, now)
	}
	if now := w.must(box, "tunic", "address", "home"); now != address {
		w.Errorf("home was %s and is %s", address, now)
	}
}

// routerRemoved: nothing of tunic runs or filters any more, and the keys stay.
func routerRemoved(w *world) {
	out := w.must(box, "sh", "/root/opkg", "remove", "tunic")
	if !strings.Contains(out, "/srv/tunic") {
		w.Errorf("it does not say what stays: %s", out)
	}
	for _, tool := range []string{"iptables-save", "ip6tables-save"} {
		if rules := w.must(box, tool); strings.Contains(rules, "TUNIC") {
			w.Errorf("%s has rules of tunic's:\n%s", tool, rules)
		}
	}
	if left := w.shell("ps -o args | grep -v grep | grep -E 'tunic|tor ' || true"); left != "" {
		w.Errorf("processes are left: %s", left)
	}
	if left := w.shell("ls /etc/rc.d /tmp/dnsmasq.cfg1.d"); strings.Contains(left, "tunic") {
		w.Errorf("left are %s", left)
	}
	w.must(box, "test", "-d", "/srv/tunic/onions")
	if seen := w.must("phone", "curl", "-sS", "-m", "10", whoAmI); seen != "192.168.77.10" {
		w.Errorf("the web sees %q", seen)
	}
}
