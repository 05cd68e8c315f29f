//go:build machines

package machines

import (
	"path/filepath"
	"slices"
	"strings"
)

// aside is where a restore puts what was there before it.
const aside = "/var/lib/tunic.before-20260101-000000"

// remove: the package goes, and says that nobody is protected any more. What it
// leaves is enough for the same addresses.
func remove(w *world) {
	home := w.must(box, "tunic", "address", "home")
	w.apt("remove", "NOT PROTECTED", "/etc/tunic", "/var/lib/tunic")
	w.removed()
	w.keysKept()
	w.installed(mainConfig)
	w.protected()
	w.booted()
	if again := w.must(box, "tunic", "address", "home"); again != home {
		w.Errorf("the box at %s is at %s after it was installed again", home, again)
	}
}

// purge: nothing is left in the places of the package, and no key is lost.
func purge(w *world) {
	w.must(box, "mkdir", "-m", "0700", aside)
	w.must(box, "touch", aside+"/key")
	keys := w.shell("cd / && find var/lib/tunic/onions -type f | xargs sha256sum")
	out := w.apt("purge", "NOT PROTECTED", "/var/backups/tunic-")
	w.removed()
	if left := w.exec(box, "sh", "-c", "ls -d /etc/tunic* /var/lib/tunic*").Stdout; left != "" {
		w.Errorf("left are %s", left)
	}
	backup := strings.TrimSpace(w.shell("ls -d /var/backups/tunic-*"))
	if !strings.Contains(out, backup) {
		w.Errorf("it does not say that the backup is %s:\n%s", backup, out)
	}
	w.must(box, "sh", "-c", "cd "+backup+" && sha256sum --quiet -c - <<'E'\n"+keys+"\nE")
	if mode := w.must(box, "stat", "-c", "%a %U", backup); mode != "700 root" {
		w.Errorf("the backup is for %s", mode)
	}
	if open := w.shell("find " + filepath.Join(backup, "var/lib/tunic/onions") + " -type f ! -perm 600"); open != "" {
		w.Errorf("keys that others can read: %s", open)
	}
	w.must(box, "test", "-e", backup+aside+"/key")
	w.must(box, "test", "-e", backup+"/etc/tunic/tunic.toml")
	w.must(box, "install", "-D", "-t", "/etc/tunic/torrc.d", backup+"/etc/tunic/torrc.d/lab.conf") // the lab's network, for what follows
}

// apt removes the package, and returns what was said, which has all of these.
func (w *world) apt(verb string, says ...string) string {
	w.Helper()
	out := w.shell("apt-get " + verb + " --yes tunic 2>&1")
	for _, text := range says {
		if !strings.Contains(out, text) {
			w.Errorf("it does not say %s:\n%s", text, out)
		}
	}
	return out
}

// fromSource installs and uninstalls as people do who build on the box.
func fromSource(w *world) {
	w.shell("cd " + Source + " && make install")
	w.write("etc/tunic/tunic.toml", mainConfig)
	w.must(box, "systemctl", "enable", "--now", "tunic-lockdown", "tunic")
	w.protected()
	w.booted()
	w.must(box, "mkdir", aside)
	out := w.shell("cd " + Source + " && make uninstall")
	for _, left := range []string{"/etc/tunic", "/var/lib/tunic ", aside, "tunic-tor", "iptables"} {
		if !strings.Contains(out, left) {
			w.Errorf("it does not say that %s stays:\n%s", left, out)
		}
	}
	if w.exec(box, "test", "-e", "/usr/local/share/doc/tunic").Code == 0 {
		w.Error("the pages are left")
	}
	w.removed()
	w.keysKept()
}

// removed: nothing of tunic runs or filters any more, and the device is where it
// was before, outside Tor.
func (w *world) removed() {
	w.Helper()
	for _, tool := range []string{"iptables-save", "ip6tables-save"} {
		if rules := w.must(box, tool); strings.Contains(rules, "TUNIC") {
			w.Errorf("%s has rules of tunic's:\n%s", tool, rules)
		}
	}
	if units := w.exec(box, "systemctl", "list-unit-files", "--no-legend", "tunic*").Stdout; strings.TrimSpace(units) != "" {
		w.Errorf("units are left: %s", units)
	}
	if processes := w.exec(box, "pgrep", "-a", "tunic").Stdout; processes != "" {
		w.Errorf("processes are left: %s", processes)
	}
	if seen := w.must("phone", "curl", "-sS", "-m", "10", whoAmI); seen != "192.168.77.10" {
		w.Errorf("the web sees %q", seen)
	}
}

// keysKept: what cannot be made again is still there.
func (w *world) keysKept() {
	w.Helper()
	kept := strings.Fields(w.must(box, "ls", "/var/lib/tunic"))
	if !slices.Contains(kept, "onions") && !slices.Contains(kept, "keys") {
		w.Errorf("the keys are gone: /var/lib/tunic has %q", kept)
	}
}
