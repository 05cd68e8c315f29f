//go:build machines

package machines

import (
	"os"
	"strings"
	"testing"
	"time"

	"tunic/gateway/health"
)

// coexistVariable has TestCoexist run: see `make coexist`.
const coexistVariable = "TUNIC_COEXIST"

// others are programs with rules of their own, and their units: Debian starts each of
// them at the next boot.
var (
	others      = []string{"firewalld", "fail2ban", "python3-systemd", "docker.io"}
	othersUnits = "firewalld fail2ban docker.socket docker containerd"
)

// TestCoexist has other programs with rules run beside tunic on Debian, one after the
// other, while a device sends what must not leave.
func TestCoexist(t *testing.T) {
	if os.Getenv(coexistVariable) == "" {
		t.Skip("set " + coexistVariable)
	}
	r := Releases[len(Releases)-1].WithPackages(others...)
	w := newWorld(t, []Release{r}, usual)
	w.newMachine(r)
	w.boot()
	w.eventually("the machine has booted", bootedLimit, func() bool {
		state := strings.TrimSpace(w.exec(box, "systemctl", "is-system-running").Stdout)
		return state == "running" || state == "degraded"
	})
	w.shell("systemctl --quiet disable " + othersUnits)
	w.powerOff()
	w.boot()
	for _, s := range []scenario{
		{name: "install", do: install, open: true},
		{name: "ufw", do: besideUFW},
		{name: "fail2ban", do: besideFail2ban},
		{name: "firewalld", do: besideFirewalld},
		{name: "Docker", do: besideDocker},
		{name: "all of them, after a reboot", do: besideAll},
	} {
		if !t.Run(s.name, func(t *testing.T) { w.in(t).play(s) }) && s.open {
			t.FailNow()
		}
	}
}

// ownPort is where the box has a server of its owner's, and its page.
const (
	ownPort = "8088"
	ownPage = "the owner's server"
)

// ownServer runs it until the box is off.
func (w *world) ownServer() {
	w.Helper()
	if w.exec(box, "systemctl", "is-active", "own").Code == 0 {
		return
	}
	w.write("srv/own/index.html", ownPage)
	w.shell("systemd-run --quiet --unit own --collect python3 -m http.server --bind :: --directory /srv/own " + ownPort)
	w.eventually("the owner's server runs", 30*time.Second, func() bool {
		return w.exec(box, "curl", "-sS", "-m", "2", "http://[::1]:"+ownPort+"/").Code == 0
	})
}

// reaches reports whether the phone reaches that server.
func (w *world) reaches() bool {
	r := w.exec("phone", "curl", "-sS", "-m", "3", "http://192.168.77.1:"+ownPort+"/")
	return r.Code == 0 && strings.Contains(r.Stdout, ownPage)
}

// guards checks that the other program still does its job: the owner's server is
// reached when it says so, and only then.
func (w *world) guards(open, shut []string) {
	w.Helper()
	w.ownServer()
	if w.reaches() {
		w.Error("the other program refuses nothing")
	}
	w.must(box, open...)
	w.eventually("the other program lets the owner's server be reached", 30*time.Second, w.reaches)
	w.must(box, shut...)
	w.eventually("the other program refuses it again", 30*time.Second, func() bool { return !w.reaches() })
}

// both checks that a device has the web by Tor in both families, and tunic finds
// nothing wrong but what is right.
func (w *world) both(right ...health.Code) {
	w.Helper()
	w.standsBut(right...)
	w.eventually("the web by IPv6 through Tor", protectedLimit, func() bool {
		r := w.exec("phone", "curl", "-sS", "-g", "-6", "-m", "15", "http://web.example/ip")
		return r.Code == 0 && isExit(strings.TrimSpace(r.Stdout))
	})
}

func besideUFW(w *world) {
	w.must(box, "ufw", "--force", "enable")
	w.both()
	w.guards([]string{"ufw", "allow", "in", "on", "lan0", "to", "any", "port", ownPort, "proto", "tcp"},
		[]string{"ufw", "delete", "allow", "in", "on", "lan0", "to", "any", "port", ownPort, "proto", "tcp"})
	w.must(box, "ufw", "reload")
	w.both()
	w.must(box, "ufw", "--force", "disable")
	w.both()
}

// jail bans who is named in a file of its own; Debian's own jail needs a server of ssh.
const jail = `[DEFAULT]
ignoreip = 127.0.0.0/8 ::1
[sshd]
enabled = false
[own]
enabled = true
backend = polling
filter = own
logpath = /var/log/own.log
port = ` + ownPort + `
maxretry = 2
findtime = 600
bantime = 600
`

func besideFail2ban(w *world) {
	w.ownServer()
	w.write("etc/fail2ban/jail.local", jail)
	w.write("etc/fail2ban/filter.d/own.conf", "[Definition]\nfailregex = ^.* refused <HOST>$\n")
	w.shell("touch /var/log/own.log && systemctl start fail2ban")
	w.eventually("fail2ban runs", 30*time.Second, func() bool { return w.exec(box, "fail2ban-client", "status", "own").Code == 0 })
	if !w.reaches() {
		w.Error("the owner's server is not reached")
	}
	w.shell("for i in 1 2 3; do echo \"$(date '+%F %T') refused 192.168.77.10\" >>/var/log/own.log; done")
	w.eventually("fail2ban has banned the phone", 30*time.Second, func() bool { return !w.reaches() })
	w.both()
	w.must(box, "fail2ban-client", "set", "own", "unbanip", "192.168.77.10")
	w.eventually("the phone is no longer banned", 30*time.Second, w.reaches)
	w.must(box, "systemctl", "stop", "fail2ban")
	w.both()
}

func besideFirewalld(w *world) {
	w.must(box, "systemctl", "start", "firewalld")
	w.both()
	w.guards([]string{"firewall-cmd", "--quiet", "--add-port=" + ownPort + "/tcp"},
		[]string{"firewall-cmd", "--quiet", "--remove-port=" + ownPort + "/tcp"})
	w.must(box, "firewall-cmd", "--quiet", "--reload")
	w.both()
	w.must(box, "systemctl", "restart", "firewalld")
	w.both()
	w.must(box, "systemctl", "stop", "firewalld")
	w.both()
}

// besideDocker has Docker's rules and network, with a network namespace in the place
// of a container: there is no image here. Docker puts its rules before everybody's each
// time it starts; tunic does so again, and says it.
func besideDocker(w *world) {
	w.must(box, "systemctl", "start", "docker")
	w.eventually("Docker has its network", 30*time.Second, func() bool {
		return w.exec(box, "ip", "-4", "addr", "show", "docker0").Code == 0
	})
	w.both(health.RulesDrift)
	w.shell(`ip netns add c1 && ip link add c1a type veth peer name eth0 netns c1 && ip link set c1a master docker0 up &&
ip -n c1 link set lo up && ip -n c1 link set eth0 up && ip -n c1 addr add 172.17.0.77/16 dev eth0 &&
ip -n c1 route add default via 172.17.0.1`)
	// What Docker writes for `-p 8099:8000`.
	w.shell(`ip netns exec c1 sh -c 'python3 -m http.server --directory /srv/own 8000 >/dev/null 2>&1 &'
iptables -t nat -A DOCKER ! -i docker0 -p tcp --dport 8099 -j DNAT --to-destination 172.17.0.77:8000
iptables -A DOCKER -d 172.17.0.77/32 ! -i docker0 -o docker0 -p tcp --dport 8000 -j ACCEPT`)
	published := func(where string, want bool) {
		w.Helper()
		if got := w.exec("phone", "curl", "-sS", "-m", "4", "http://192.168.77.1:8099/").Code == 0; got != want {
			w.Errorf("that the phone reaches a published port of a container %s is %v", where, got)
		}
	}
	published("that is named nowhere", false)
	ask := func() (string, bool) {
		r := w.exec(box, "ip", "netns", "exec", "c1", "curl", "-sS", "-m", "8", whoAmI)
		return strings.TrimSpace(r.Stdout), r.Code == 0
	}
	if seen, ok := ask(); ok {
		w.Errorf("a container of a network that is named nowhere reached the web, as %q", seen)
	}
	if text := w.exec(box, "tunic", "status").Stdout; !strings.Contains(text, "docker0") {
		w.Errorf("status says nothing of Docker:\n%s", text)
	}
	w.write("etc/tunic/tunic.toml", mainConfig+"[gateway]\nother-networks = [\"docker0\"]\n")
	w.must(box, "tunic", "reload")
	published("of another network", false)
	w.write("etc/tunic/tunic.toml", strings.Replace(mainConfig, `["lan0"]`, `["lan0", "docker0"]`, 1))
	w.must(box, "tunic", "reload")
	w.eventually("a container of the household reaches the web through Tor", protectedLimit, func() bool {
		seen, ok := ask()
		if ok && !isExit(seen) {
			w.Fatalf("a container reached the web as %q", seen)
		}
		return ok
	})
	published("of the household", true)
	w.both(health.RulesDrift)
	w.must(box, "systemctl", "restart", "docker")
	w.both(health.RulesDrift)
	w.write("etc/tunic/tunic.toml", mainConfig)
	w.must(box, "tunic", "reload")
	w.shell("ip link del c1a; ip netns del c1; systemctl stop docker docker.socket")
	w.both(health.RulesDrift)
}

// besideAll boots with all of them: the household is closed before the first of them
// has rules.
func besideAll(w *world) {
	defer func() {
		if w.Failed() {
			w.Logf("%s", w.exec(box, "sh", "-c", "systemctl list-jobs --no-pager; systemctl --failed --no-pager; "+
				"journalctl -b --no-pager -n 60").Stdout)
		}
	}()
	w.shell("systemctl --quiet enable firewalld fail2ban docker")
	w.powerOff()
	w.boot()
	w.booted()
	w.both(health.RulesDrift)
	w.cut()
	w.boot()
	w.booted()
	w.both(health.RulesDrift)
}
