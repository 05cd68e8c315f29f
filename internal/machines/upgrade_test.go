//go:build machines

package machines

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/internal/lab"
)

// upgradeVariable has TestUpgrade run.
const upgradeVariable = "TUNIC_UPGRADE"

// Versions that are made of the same source, and the one whose programs do not work.
const (
	newer   = "91.0"
	broken  = "92.0"
	healing = "93.0"
)

// breaks are programs in place of tunic in the package of a version that does not
// work: what is beside is one that does, as tunic.real.
var breaks = []struct{ name, script, says string }{
	{"exits", "exit 3", "exit status 3"},
	{"panics", "echo 'panic: on purpose' >&2; exit 2", "exit status 2"},
	{"ends when it has taken everything over", `[ "$1" = run ] || exit 3
"$0.real" "$@" & until pgrep -P $! -f serve >/dev/null; do sleep 0.02; done; kill -9 $!; exit 4`, "exit status 4"},
	{"hangs", "exec sleep 600", "after 1m0s"},
}

// TestUpgrade installs newer packages on each Debian, with tunic under systemd, while
// people use the box: good ones, and ones whose programs do not work.
func TestUpgrade(t *testing.T) {
	if os.Getenv(upgradeVariable) == "" {
		t.Skip("set " + upgradeVariable)
	}
	w := newWorld(t, Releases, usual)
	w.packages()
	for _, r := range Releases {
		t.Run(r.Codename, func(t *testing.T) {
			w := w.in(t)
			w.newMachine(r)
			w.boot()
			list := []scenario{
				{name: "install", do: busyHouse, open: true},
				{name: "a newer version", do: func(w *world) { w.upgradesTo(newer) }},
				{name: "reload, crash, restart and reboot after it", do: afterUpgrade},
			}
			for i, b := range breaks {
				list = append(list, scenario{name: "a version that " + b.name, do: func(w *world) { w.keeps(i) }})
			}
			list = append(list, scenario{name: "a version that works again", do: func(w *world) { w.upgradesTo(healing) }},
				scenario{name: "state of a newer version", do: newerState}, scenario{name: "reboot", do: reboot})
			for _, s := range list {
				if !t.Run(s.name, func(t *testing.T) { w.in(t).play(s) }) && s.open {
					t.FailNow()
				}
			}
		})
	}
}

// busyHouse has mail, chat and an onion.
func busyHouse(w *world) {
	install(w)
	w.protected()
	w.must(box, "tunic", "publish", visited, fmt.Sprintf("%d=192.168.77.20:%d", lab.NASEchoPort, lab.NASEchoPort))
	for _, server := range []func(*world){imapLogin, xmppLogin, ircLogin} {
		server(w)
	}
}

// deb is the package of a version, below the checkout; of broken ones there are several.
func deb(version string) string {
	return "bin/upgrade/" + version + "/tunic_" + version + "_" + runtime.GOARCH + ".deb"
}

// brokenDeb has a version of its own for each, so that apt takes it for an upgrade.
func brokenDeb(i int) string { return fmt.Sprintf("bin/upgrade/broken/%s.%d.deb", broken, i) }

// packages makes all packages.
func (w *world) packages() {
	w.Helper()
	run := func(name string, args ...string) {
		w.Helper()
		cmd := exec.CommandContext(w.ctx, name, args...)
		cmd.Dir = w.checkout
		if out, err := cmd.CombinedOutput(); err != nil {
			w.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	for _, version := range []string{newer, healing} {
		run("make", "dist", "ARCHS="+runtime.GOARCH, "VERSION="+version, "DIST="+filepath.Dir(deb(version)))
	}
	run("mkdir", "-p", filepath.Dir(brokenDeb(0)))
	for i, b := range breaks {
		dir := w.TempDir()
		run("dpkg-deb", "-R", deb(newer), dir)
		run("sed", "-i", fmt.Sprintf("s/^Version: .*/Version: %s.%d/", broken, i), dir+"/DEBIAN/control")
		run("mv", dir+"/usr/bin/tunic", dir+"/usr/bin/tunic.real")
		if err := os.WriteFile(dir+"/usr/bin/tunic", []byte("#!/bin/sh\n"+b.script+"\n"), 0o755); err != nil {
			w.Fatal(err)
		}
		run("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", dir, brokenDeb(i))
	}
}

// unit is what systemd and the kernel tell of the running daemon.
type unit struct{ state, main, restarts, tor, version string }

func (w *world) unit() (u unit) {
	w.Helper()
	show := func(what string) string { return w.must(box, "systemctl", "show", "-P", what, "tunic") }
	u = unit{state: show("ActiveState"), main: show("MainPID"), restarts: show("NRestarts")}
	u.tor = w.must(box, "pgrep", "-o", "-u", config.TorUser)
	var s api.Status
	if err := json.Unmarshal([]byte(w.running("status", "--json")), &s); err != nil {
		w.Fatal(err)
	}
	u.version = s.Version
	return u
}

// aptInstalls installs a package of the checkout, and returns what was said.
func (w *world) aptInstalls(path string) string {
	w.Helper()
	begin := time.Now()
	out := w.shell("DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes " + Source + "/" + path + " 2>&1")
	w.Logf("apt took %v:\n%s", time.Since(begin).Round(time.Millisecond), out)
	return out
}

// upgradesTo installs a version that works: it is the daemon, and nobody has noticed.
func (w *world) upgradesTo(version string) {
	w.inUse(func() {
		before := w.unit()
		w.aptInstalls(deb(version))
		w.replaced(before, version)
	})
	w.protected()
	w.booted()
}

// replaced: the unit has another daemon, with the same tor, and systemd has not started it.
func (w *world) replaced(before unit, version string) {
	w.Helper()
	after := w.unit()
	if want := (unit{"active", after.main, before.restarts, before.tor, version}); after != want || after.main == before.main {
		w.Errorf("the unit was %+v and is %+v", before, after)
	}
	if program := w.must(box, "readlink", "/proc/"+after.main+"/exe"); program != "/usr/bin/tunic" {
		w.Errorf("the daemon is %s", program)
	}
}

// keeps installs a version that does not work: the daemon is the same, and apt has said why.
func (w *world) keeps(i int) {
	b := breaks[i]
	if b.name == "hangs" && os.Getenv("TUNIC_LONG") == "" {
		w.Skip("a minute each: set TUNIC_LONG")
	}
	var before, after unit
	w.inUse(func() {
		before = w.unit()
		out := w.aptInstalls(brokenDeb(i))
		after = w.unit()
		for _, text := range []string{b.says, "goes on, nothing was cut", "install one that works"} {
			if !strings.Contains(out, text) {
				w.Errorf("apt does not say %q", text)
			}
		}
	})
	if before != after || after.state != "active" {
		w.Errorf("the unit was %+v and is %+v", before, after)
	}
	if left := w.exec(box, "pgrep", "-a", "-f", "tunic.real|sleep 600").Stdout; left != "" {
		w.Errorf("the version is still there: %s", left)
	}
}

// afterUpgrade: the unit is one like any other.
func afterUpgrade(w *world) {
	before := w.unit()
	w.must(box, "systemctl", "reload", "tunic")
	if after := w.unit(); after != before {
		w.Errorf("reloaded, the unit was %+v and is %+v", before, after)
	}
	w.protected()
	w.booted()
	w.must(box, "kill", "-9", before.main) // no child of systemd's when it began: its end is noticed all the same
	w.eventually("systemd starts it again", 30*time.Second, func() bool {
		return w.must(box, "systemctl", "show", "-P", "NRestarts", "tunic") == "1"
	})
	w.protected()
	w.must(box, "systemctl", "restart", "tunic")
	w.protected()
	if after := w.unit(); after.main == before.main || after.tor == before.tor || after.state != "active" || after.version != newer {
		w.Errorf("restarted, the unit was %+v and is %+v", before, after)
	}
	imapLogin(w)
	reboot(w)
}

// stateVersion is where the state says its version.
const stateVersion = "var/lib/tunic/state-version"

// newerState: a version that does not know the state neither takes over nor starts, says
// why, and the household stays closed until one is there that does.
func newerState(w *world) {
	const says = "the state was written by a newer tunic"
	known := w.must(box, "cat", "/"+stateVersion)
	w.write(stateVersion, "1000\n")
	before := w.unit()
	if r := w.exec(box, "tunic", "upgrade"); r.Code != 1 || !strings.Contains(r.Stderr, says) {
		w.Errorf("upgrade ended with %d: %s", r.Code, r.Stderr)
	}
	if after := w.unit(); after != before {
		w.Errorf("the unit was %+v and is %+v", before, after)
	}
	w.protected()
	if r := w.exec(box, "systemctl", "restart", "tunic"); r.Code == 0 {
		w.Error("it has started with a state that it does not know")
	}
	w.closed()
	time.Sleep(3 * time.Second) // longer than systemd's pause before it would start it again
	if out := w.must(box, "systemctl", "show", "-P", "ActiveState", "-P", "NRestarts", "tunic"); out != "failed\n0" && out != "0\nfailed" {
		w.Errorf("the unit is %q", out)
	}
	said := w.must(box, "journalctl", "-b", "-u", "tunic", "-o", "cat", "--no-pager", "-n", "20")
	if strings.Contains(said, "SIGKILL") {
		w.Error("the daemon that had taken the place of another was not left to end by itself")
	}
	w.Logf("the journal: %s", said)
	if !strings.Contains(said, says) {
		w.Error("the journal does not say why")
	}
	r := w.exec(box, "tunic", "status")
	w.Logf("status ends with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	w.closed()
	w.write(stateVersion, known+"\n")
	w.must(box, "systemctl", "start", "tunic")
	w.protected()
}
