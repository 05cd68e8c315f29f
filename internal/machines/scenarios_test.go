//go:build machines

package machines

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// mainConfig is the file that the README has people edit.
const mainConfig = `[household]
interfaces = ["lan0"]
`

// readmeSteps finds the commands that the README gives for a box: the package and
// setup, and what somebody does by hand instead of setup.
func (w *world) readmeSteps() (bySetup, byHand []string) {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.checkout, "README.md"))
	if err != nil {
		w.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Use it at home\n")
	blocks := regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(section, 2)
	if len(blocks) < 2 {
		w.Fatal("the README has no commands for a box")
	}
	steps := func(block string) (list []string) {
		for line := range strings.Lines(block) {
			step, _, _ := strings.Cut(line, "#")
			list = append(list, strings.TrimSpace(step))
		}
		return list
	}
	return steps(blocks[0][1]), steps(blocks[1][1])
}

// step does what the README says in one line.
func (w *world) step(step string) {
	w.Helper()
	out := w.shell("cd " + Source + "/" + packageDir + " && " + step)
	w.Logf("%s\n%s", step, out)
	if strings.HasPrefix(step, "sudo apt install ") {
		w.nothingStarted()
	}
	if step == "sudo tunic status" && strings.Contains(out, "tor-twice") {
		w.Errorf("the first status warns of Debian's tor:\n%s", out)
	}
}

// installed follows the README, by hand. Only the editor has somebody else at its keys.
func (w *world) installed(config string) {
	w.Helper()
	first, byHand := w.readmeSteps()
	edited := false
	for _, step := range append(first[:1], byHand...) {
		if file, ok := strings.CutPrefix(step, "sudoedit "); ok {
			w.write(file, config)
			edited = true
			continue
		}
		w.step(step)
	}
	if !edited {
		w.Error("the README has nobody name the interface")
	}
}

// installedBySetup follows the README, with a script that types the answers.
func (w *world) installedBySetup() {
	w.Helper()
	steps, _ := w.readmeSteps()
	asked := false
	for _, step := range steps {
		if step == "sudo tunic setup" {
			step, asked = "printf '"+escaped(answers+"yes\n")+"' | "+step, true
		}
		w.step(step)
	}
	if !asked {
		w.Error("the README has nobody run setup")
	}
}

// nothingStarted: the package is there, and its owner is not cut off.
func (w *world) nothingStarted() {
	w.Helper()
	for _, question := range []string{"is-enabled", "is-active"} {
		answer := w.exec(box, "systemctl", question, "tunic", "tunic-lockdown", "tunic-clock.timer", "tunic-clock.service").Stdout
		for state := range strings.FieldsSeq(answer) {
			if state != "disabled" && state != "inactive" && state != "static" {
				w.Errorf("after the package has come a unit is %s", state)
			}
		}
	}
	w.must(box, "test", "-s", "/usr/share/doc/tunic/docs/setup.md") // which messages name
	if rules := w.must(box, "iptables-save"); strings.Contains(rules, "TUNIC") {
		w.Errorf("after the package has come there are rules:\n%s", rules)
	}
}

func install(w *world) {
	w.installedBySetup()
	w.write("etc/tunic/endpoints/smtp.toml", "# mail\n")
	w.write("etc/tunic/endpoints/xmpp.toml", "# chat\n")
	w.write("etc/tunic/endpoints/irc.toml", "# IRC\n")
	w.must(box, "tunic", "reload")
	w.shell("echo '" + password + "' | tunic user add ann")
}

// boot switches the machine off and on: lockdown first, then the daemon, both
// by systemd alone.
func boot(w *world) {
	w.powerOff()
	w.boot()
	w.booted()
}

// bootedLimit is how long systemd may take.
const bootedLimit = 60 * time.Second

// booted waits until systemd has nothing left to start, and checks both units.
func (w *world) booted() {
	w.Helper()
	state := ""
	w.eventually("the machine has booted", bootedLimit, func() bool {
		state = strings.TrimSpace(w.exec(box, "systemctl", "is-system-running").Stdout)
		return state == "running" || state == "degraded"
	})
	if state != "running" {
		w.Errorf("the machine is %s:\n%s", state, w.exec(box, "systemctl", "--failed", "--no-pager").Stdout)
	}
	if out := w.must(box, "systemctl", "is-active", "tunic-lockdown", "tunic"); out != "active\nactive" {
		w.Errorf("the units are %q", out)
	}
	w.calm()
}

// calm: no unit was started twice in this boot, no call was refused, and nobody
// has written a stack trace.
func (w *world) calm() {
	w.Helper()
	if n := w.must(box, "systemctl", "show", "-P", "NRestarts", "tunic"); n != "0" {
		w.Errorf("systemd has started tunic again %s times", n)
	}
	journal := w.must(box, "journalctl", "-b", "-u", "tunic", "-u", "tunic-lockdown", "-o", "cat", "--no-pager")
	for _, bad := range []string{"goroutine ", "SIGSYS", "operation not permitted", "Operation not permitted"} {
		if strings.Contains(journal, bad) {
			w.Errorf("the journal has %q:\n%s", bad, journal)
		}
	}
	if lines := strings.Count(journal, "\n"); lines > 200 {
		w.Errorf("the journal has %d lines of one boot", lines)
	}
}

// pageAndTry: a device sees the box's own page, and the owner that a site opens.
func pageAndTry(w *world) {
	if page := w.must("phone", "curl", "-sS", "-m", "10", "http://192.168.77.1/"); !strings.Contains(page,
		"<title>Your household&#39;s gateway") {
		w.Errorf("the phone sees:\n%s", page)
	}
	if seen := w.must("phone", "curl", "-ksS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}",
		"https://192.168.77.1/login"); seen != "200" {
		w.Errorf("the log-in answers %s", seen)
	}
	w.Logf("%s", w.must(box, "tunic", "try", whoAmI))
}

func reboot(w *world) {
	boot(w)
	w.protected()
}

// tenReboots: what leaks in one start of ten would be missed by one.
func tenReboots(w *world) {
	for range 10 {
		reboot(w)
	}
}

// powerCut: nothing was synced for it.
func powerCut(w *world) {
	w.cut()
	w.boot()
	w.booted()
	w.protected()
}

// restarted restarts another program that has to do with the network.
func (w *world) restarted(unit string) {
	w.must(box, "systemctl", "restart", unit)
	w.protected()
	w.booted()
}

// ufw is Debian's easy firewall: it refuses by default what comes in.
func ufw(w *world) {
	w.must(box, "ufw", "--force", "enable")
	w.protected()
	w.must(box, "ufw", "reload")
	w.protected()
	w.must(box, "ufw", "--force", "disable")
	w.must(box, "sync") // a power cut follows, and without this ufw.service failed at the boot after it
	w.protected()
}

// stop: the household stays closed, also when the rules of netfilter are gone.
func stop(w *world) {
	w.must(box, "systemctl", "stop", "tunic")
	w.closed()
	w.must(box, "systemctl", "restart", "nftables")
	w.closed()
	time.Sleep(2 * time.Second) // in which the phone sends
}

func start(w *world) {
	w.must(box, "systemctl", "start", "tunic")
	w.protected()
}

// upgrade: dpkg does the same whatever the two versions are. TestUpgrade has others.
func upgrade(w *world) {
	before := w.unit()
	w.shell("apt-get install --yes --reinstall " + Source + "/" + packageDir + "/tunic_*.deb")
	w.replaced(before, before.version)
	w.protected()
	w.booted()
}

func noInternet(w *world) {
	w.cable(false)
	w.closed()
	w.must(box, "systemctl", "restart", "tunic") // returns although there is no internet
	w.closed()
	w.cable(true)
	w.protected()
}

func (w *world) cable(up bool) {
	w.Helper()
	if err := w.lab.SetUplink(w.ctx, box, up); err != nil {
		w.Fatal(err)
	}
}

// startLimit is what a boot may take without internet: nobody waits for it.
const startLimit = 40 * time.Second

func bootWithoutInternet(w *world) {
	w.powerOff()
	w.boot()
	w.cable(false)
	if took := w.eventually("the daemon answers", bootedLimit, func() bool { return w.status().Version != "" }); took > startLimit {
		w.Errorf("the daemon answered after %v", took)
	}
	w.closed()
	w.cable(true)
	w.protected()
}

// wrongInterface: the owner has named one that is not there. Whatever the units
// say, the household is not outside Tor.
func wrongInterface(w *world) {
	w.write("etc/tunic/tunic.toml", strings.Replace(mainConfig, "lan0", "br-lan", 1))
	w.powerOff()
	w.boot()
	w.eventually("the machine has booted", bootedLimit, func() bool {
		state := strings.TrimSpace(w.exec(box, "systemctl", "is-system-running").Stdout)
		return state == "running" || state == "degraded"
	})
	w.closed()
	time.Sleep(2 * time.Second) // in which the phone sends
	if r := w.exec(box, "tunic", "check"); !strings.Contains(r.Stderr, `"br-lan"`) || !strings.Contains(r.Stderr, "lan0") ||
		strings.Contains(r.Stdout, "is right") {
		w.Errorf("tunic check ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	w.write("etc/tunic/tunic.toml", mainConfig)
	w.must(box, "systemctl", "restart", "tunic")
	w.protected()
}
