//go:build machines

package machines

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// answers are those of an owner who types nothing but what is asked for: the
// household, mail and chat, and the last yes.
const answers = "lan0\nnone\nyes\n"

// TestSetup makes a Debian a gateway by `tunic setup`, whose answers a script
// or a browser gives, and has nobody confirm it at first. It is of the long form: the short one
// is installed by setup too (installedBySetup).
func TestSetup(t *testing.T) {
	w := newWorld(t, Releases, usual)
	for _, r := range Releases {
		t.Run(r.Codename, func(t *testing.T) {
			w := w.in(t)
			w.newMachine(r)
			w.boot()
			w.eventually("the machine has booted", bootedLimit, func() bool {
				state := strings.TrimSpace(w.exec(box, "systemctl", "is-system-running").Stdout)
				return state == "running" || state == "degraded"
			})
			w.shell("apt-get install --yes " + Source + "/" + packageDir + "/tunic_*.deb")
			w.must(box, "systemctl", "start", "tor@default", "tor") // as its package leaves it
			before := w.state()
			for _, s := range []scenario{
				{name: "the input ends", do: (*world).inputEnds},
				{name: "nobody confirms, and the terminal is gone", do: (*world).nobodyConfirms},
				{name: "confirmed from another login, and taken back", do: (*world).confirmedElsewhere},
				{name: "confirmed on the page, and taken back", do: (*world).confirmedOnPage},
			} {
				if !t.Run(s.name, func(t *testing.T) { s.do(w.in(t)); w.in(t).same(before) }) {
					t.FailNow()
				}
			}
			t.Run("the files of an access point", func(t *testing.T) { w.in(t).radioFiles() })
			t.Run("confirmed", func(t *testing.T) { w.in(t).confirmed() })
			t.Run("a second time", func(t *testing.T) { w.in(t).again() })
		})
	}
}

// state is what a setup changes: files, units, rules, processes.
func (w *world) state() string {
	w.Helper()
	return w.shell(`cd /etc && find tunic systemd tor -type f | sort | xargs sha256sum; find tunic | sort | xargs stat -c '%a %n'
for u in tunic-lockdown tunic tunic-clock.timer tor tor@default; do
  echo $u $(systemctl is-enabled $u 2>&1) $(systemctl is-active $u); done
iptables-save | grep -c TUNIC; ip6tables-save | grep -c TUNIC; ip rule | sort; systemctl list-timers --all --no-legend 'tunic*'; true`)
}

func (w *world) same(before string) {
	w.Helper()
	if now := w.state(); now != before {
		w.Errorf("before:\n%s\nnow:\n%s", before, now)
	}
	if seen := w.must("phone", "curl", "-sS", "-m", "10", whoAmI); seen != "192.168.77.10" {
		w.Errorf("the web sees %q: the household is not as it was", seen)
	}
}

// setup runs setup with typed answers in the background, as a terminal does, and
// keeps what it says in /tmp/setup.out. The input stays open.
func (w *world) setup(typed, within string, more ...string) {
	w.Helper()
	w.shell(fmt.Sprintf(`rm -f /tmp/answers /tmp/setup.*; mkfifo /tmp/answers
(sleep 600 >/tmp/answers 2>/dev/null & echo $! >/tmp/setup.open)
setsid sh -c 'tunic setup --confirm-within %s %s </tmp/answers >/tmp/setup.out 2>&1 & echo $! >/tmp/setup.pid
  wait $!; echo $? >/tmp/setup.rc' >/dev/null 2>&1 &
printf '%s' >/tmp/answers`, within, strings.Join(more, " "), escaped(typed)))
}

// escaped is a text for printf(1).
func escaped(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

// says waits until setup has said something.
func (w *world) says(text string) {
	w.Helper()
	w.eventually("setup says "+text, protectedLimit, func() bool {
		out := w.exec(box, "sh", "-c", "cat /tmp/setup.out; cat /tmp/setup.rc 2>/dev/null").Stdout
		if strings.Contains(out, text) {
			return true
		}
		if w.exec(box, "test", "-e", "/tmp/setup.rc").Code == 0 {
			w.Fatalf("setup has ended:\n%s", out)
		}
		return false
	})
}

// ended waits for the end of setup and returns its status.
func (w *world) ended() (code string) {
	w.Helper()
	w.eventually("setup has ended", protectedLimit, func() bool {
		code = strings.TrimSpace(w.exec(box, "cat", "/tmp/setup.rc").Stdout)
		return code != ""
	})
	w.shell("kill $(cat /tmp/setup.open) 2>/dev/null; true")
	w.Logf("%s", w.exec(box, "cat", "/tmp/setup.out").Stdout)
	return code
}

// inputEnds: before the last question nothing was changed, after it all is taken back.
func (w *world) inputEnds() {
	for _, typed := range []string{"lan0\n", answers} {
		r := w.exec(box, "sh", "-c", "printf '"+escaped(typed)+"' | tunic setup --confirm-within 1m")
		if r.Code != 1 {
			w.Errorf("it ended with %d:\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
	}
}

// nobodyConfirms: setup is killed at the moment at which it asks, with the terminal.
func (w *world) nobodyConfirms() {
	w.setup(answers, "8s")
	w.says("Type yes within")
	w.protected()
	w.shell("kill -KILL $(cat /tmp/setup.pid) $(cat /tmp/setup.open)")
	w.eventually("it is taken back", 60*time.Second, func() bool {
		return w.exec(box, "test", "-e", "/var/lib/tunic-setup/last.json").Code != 0
	})
	w.eventually("the timer's service is over", 30*time.Second, func() bool {
		state := w.exec(box, "systemctl", "is-active", "tunic-setup-undo-2.service", "tunic-setup-undo-2.timer").Stdout
		return state == "inactive\ninactive\n"
	})
}

func (w *world) confirmedElsewhere() {
	w.setup(answers, "1m")
	w.says("Type yes within")
	w.must(box, "tunic", "setup", "--confirm")
	if code := w.ended(); code != "0" {
		w.Errorf("it ended with %s", code)
	}
	if out := w.must(box, "systemctl", "is-enabled", "tunic", "tunic-lockdown"); out != "enabled\nenabled" {
		w.Errorf("confirmed: %q", out)
	}
	w.must(box, "tunic", "setup", "--undo")
}

// onPage sends a form of the setup's page from the phone, and returns the page that follows.
func (w *world) onPage(path string, fields ...string) string {
	w.Helper()
	const page = "http://192.168.77.1:8099/"
	script := `jar=/tmp/setup-page.jar
form=$(curl -sS -m 20 -b $jar -c $jar ` + page + ` | sed -n 's/.*name="form" value="\([^"]*\)".*/\1/p' | head -n1)
curl -sS -m 60 -L -b $jar -c $jar -d form=$form ` + page + path
	for _, f := range fields {
		script += " -d " + f
	}
	return w.must("phone", "sh", "-c", script)
}

// confirmedOnPage: a browser of the household answers and confirms, and nobody types; from
// the side of the internet there is no page.
func (w *world) confirmedOnPage() {
	w.exec("phone", "rm", "-f", "/tmp/setup-page.jar")
	w.setup("", "1m", "--page")
	w.says("code: ")
	code := w.shell(`sed -n 's/^  code: //p' /tmp/setup.out`)
	listens := w.must(box, "ss", "-Hltn", "sport = :8099")
	for line := range strings.Lines(listens) {
		if !strings.Contains(line, " 192.168.77.1%lan0:8099 ") && !strings.Contains(line, " [fd77::1]%lan0:8099 ") {
			w.Errorf("the page listens at %q", line)
		}
	}
	if !strings.Contains(listens, "%lan0:8099 ") {
		w.Errorf("nothing listens: %q", listens)
	}
	w.onPage("code", "code="+code)
	w.onPage("answer", "topic=household", "answer=lan0")
	if page := w.onPage("answer", "topic=servers", "answer=none"); !strings.Contains(page, "Devices behind lan0") {
		w.Fatalf("the page:\n%s", page)
	}
	w.onPage("apply")
	w.says("Type yes within")
	w.protected()
	page := w.onPage("decide", "decision=keep")
	if !strings.Contains(page, "gateway from now on") && !strings.Contains(page, "being set up") {
		w.Errorf("the page:\n%s", page)
	}
	if code := w.ended(); code != "0" {
		w.Errorf("it ended with %s", code)
	}
	if out := w.must(box, "systemctl", "is-enabled", "tunic", "tunic-lockdown"); out != "enabled\nenabled" {
		w.Errorf("confirmed: %q", out)
	}
	w.must(box, "tunic", "setup", "--undo")
}

// confirmed: the household is protected and has its mail and chat, and so it is when the box starts again.
func (w *world) confirmed() {
	w.setup("lan0\nboth\nann\n"+password+"\nyes\nyes\n", "1m")
	if code := w.ended(); code != "0" {
		w.Fatalf("it ended with %s", code)
	}
	w.protected()
	imapLogin(w)
	xmppLogin(w)
	wan := w.wan.MustMark(w)
	w.powerOff()
	w.boot()
	w.booted()
	w.protected()
	if leaked := w.wan.MustLines(w, wan, w.lab.Plan().ForeignFilter(box)); len(leaked) > 0 {
		w.Errorf("%d packets leaked, the first: %s", len(leaked), leaked[0])
	}
	if text := w.must(box, "cat", "/etc/tunic/tunic.toml"); !strings.Contains(text, "\ninterfaces = [\"lan0\"]\n") {
		w.Errorf("the file:\n%s", text)
	}
}

// again: setup on a box that protects its household. Not confirmed it changes
// nothing, and the household stays protected all the time; confirmed it changes
// its own key alone, and keeps the file.
func (w *world) again() {
	w.shell("ip link add docker0 type veth peer name veth0 && ip address add 172.17.0.1/16 dev docker0 && " +
		"ip link set docker0 up && ip link set veth0 up")
	w.shell("sed -i 's/^#isolate-destinations = false/isolate-destinations = false # mine/' /etc/tunic/tunic.toml")
	wan, before := w.wan.MustMark(w), w.must(box, "cat", "/etc/tunic/tunic.toml")
	const answers = "printf '\\ndocker0\\n\\nyes\\n%s\\n' | tunic setup --confirm-within 1m"
	if r := w.exec(box, "sh", "-c", fmt.Sprintf(answers, "no")); r.Code != 1 {
		w.Errorf("it ended with %d:\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if now := w.must(box, "cat", "/etc/tunic/tunic.toml"); now != before {
		w.Errorf("the file is another:\n%s", now)
	}
	if copies := w.exec(box, "sh", "-c", "ls /etc/tunic/tunic.toml.before-*").Stdout; copies != "" {
		w.Errorf("there are copies: %s", copies)
	}
	w.protected()
	w.shell(fmt.Sprintf(answers, "yes"))
	text := w.must(box, "cat", "/etc/tunic/tunic.toml")
	if !strings.Contains(text, "\nother-networks = [\"docker0\"]\n") || !strings.Contains(text, "\nisolate-destinations = false # mine\n") {
		w.Errorf("the file:\n%s", text)
	}
	if kept := w.shell("cat /etc/tunic/tunic.toml.before-*"); kept != before {
		w.Errorf("kept is\n%s", kept)
	}
	w.protected()
	if leaked := w.wan.MustLines(w, wan, w.lab.Plan().ForeignFilter(box)); len(leaked) > 0 {
		w.Errorf("%d packets leaked, the first: %s", len(leaked), leaked[0])
	}
}
