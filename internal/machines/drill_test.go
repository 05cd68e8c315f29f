//go:build machines

package machines

import (
	"fmt"
	"regexp"
	"strings"

	"tunic/gateway/config"
)

// taken is a child of the daemon whose code is an attacker's now.
type taken struct {
	user    string
	program string         // by which pgrep finds it
	files   *regexp.Regexp // that it may read, below tunic's own places
	dials   []uint16       // ports of loopback that are its work
}

// takenOver are all children that talk to strangers or devices.
var takenOver = []taken{
	{config.ServeUser, "tunic serve", regexp.MustCompile(`^/var/lib/tunic/(mail|spool)/`), []uint16{config.DovecotPort,
		config.ProsodyClientPort, config.NgircdPort}},
	{config.MailUser, "dovecot", regexp.MustCompile(`^(/var/lib/tunic/mail|/run/tunic/dovecot)/`), nil},
	{config.XMPPUser, "prosody", regexp.MustCompile(`^(/var/lib/tunic/(xmpp|prosody)|/run/tunic/prosody)/`), []uint16{config.SocksPort}},
	{config.IRCUser, "ngircd", regexp.MustCompile(`^/run/tunic/irc/`), nil},
}

// everybodys are files that every user of the box may read.
var everybodys = regexp.MustCompile(`^(/run/tunic/clock/|/etc/tunic/tunic\.toml\.example$)`)

// drill does on the installed box what an attacker would do who has taken over
// a child: as its user, in its namespaces. What leaves the box is counted by play.
func drill(w *world) {
	for _, c := range takenOver {
		pid, _, _ := strings.Cut(w.must(box, "pgrep", "-o", "-u", c.user, "-f", c.program), "\n")
		w.commands(c, pid)
		w.reads(c, pid)
		w.dialsOf(c, pid)
	}
}

// onlyLooks: a user of the box in the group may look and change nothing, and one
// who is not in it may not even look.
func onlyLooks(w *world) {
	w.shell("useradd --no-create-home --groups tunic-look lena && useradd --no-create-home otto")
	as := func(user string, args ...string) int {
		return w.exec(box, append([]string{"setpriv", "--reuid", user, "--regid", user, "--init-groups", "tunic"}, args...)...).Code
	}
	for _, verb := range []string{"status", "devices", "friends", "onions"} {
		if as("lena", verb) != 0 || as("otto", verb) == 0 {
			w.Errorf("tunic %s: who is in the group sees it: %v; who is not: %v", verb, as("lena", verb) == 0, as("otto", verb) == 0)
		}
	}
	for _, args := range [][]string{{"lockdown"}, {"unpublish", "home"}, {"bypass", "add", "bank.example"}, {"mail", "queue"}} {
		if as("lena", args...) == 0 {
			w.Errorf("whoever may look can also run tunic %s", strings.Join(args, " "))
		}
	}
}

// as runs a command of the attacker's in place of the process.
func (w *world) as(c taken, pid string, args ...string) (out string, ok bool) {
	w.Helper()
	r := w.exec(box, append([]string{"nsenter", "--target", pid, "--mount", "--uts", "setpriv", "--reuid", c.user, "--regid", c.user,
		"--clear-groups", "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"}, args...)...)
	if r.Code == 127 || r.Code == 126 && strings.Contains(r.Stderr, "nsenter:") {
		w.Fatalf("%s cannot be played: %s", c.user, r.Stderr)
	}
	return r.Stdout, r.Code == 0
}

// commands tries what would open the house, or make it somebody else's.
func (w *world) commands(c taken, pid string) {
	w.Helper()
	if out, ok := w.as(c, pid, "id", "-un"); !ok || strings.TrimSpace(out) != c.user {
		w.Fatalf("the attacker is %q, not %s", out, c.user)
	}
	tor, _, _ := strings.Cut(w.must(box, "pgrep", "-o", "-u", config.TorUser), "\n")
	for _, try := range [][]string{
		{"/usr/sbin/iptables", "-F"}, {"/usr/sbin/ip6tables", "-P", "FORWARD", "ACCEPT"}, {"/usr/sbin/nft", "flush", "ruleset"},
		{"ip", "rule", "flush"}, {"sysctl", "-w", "net.ipv4.ip_forward=0"}, {"tunic", "status"}, {"tunic", "unpublish", "home"},
		{"kill", "-0", tor}, {"systemctl", "stop", "tunic"}, {"touch", "/etc/tunic/tunic.toml"}, {"ls", "/root"},
		{"cat", "/proc/" + tor + "/cmdline"}, {"mount", "--bind", "/tmp", "/etc"}, {"date", "-s", "2030-01-01"},
		{"ls", "/run/tunic/tor"},
	} {
		if out, ok := w.as(c, pid, try...); ok {
			w.Errorf("%s can run %s:\n%s", c.user, strings.Join(try, " "), out)
		}
	}
}

// reads lists what the attacker can read and write in tunic's places.
func (w *world) reads(c taken, pid string) {
	w.Helper()
	for _, how := range []string{"-readable", "-writable"} {
		out, _ := w.as(c, pid, "find", "/etc/tunic", "/var/lib/tunic", "/run/tunic", "(", "-type", "f", "-o", "-type", "s", ")", how)
		for path := range strings.Lines(out) {
			if path = strings.TrimSpace(path); !c.files.MatchString(path) && !everybodys.MatchString(path) {
				w.Errorf("%s: %s %s", c.user, how, path)
			}
		}
	}
}

// dialsOf tries what can be dialled from the box: what is a child's work is
// reached, so that a refusal says something; nothing else is.
func (w *world) dialsOf(c taken, pid string) {
	w.Helper()
	dial := func(address string) bool {
		_, ok := w.as(c, pid, "timeout", "3", "bash", "-c", "exec 3<>/dev/tcp/"+address)
		return ok
	}
	for _, port := range c.dials {
		if address := loopback(port); !dial(address) {
			w.Errorf("%s does not reach %s, which is its work", c.user, address)
		}
	}
	if address := "192.168.77.20/8080"; w.exec(box, "timeout", "3", "bash", "-c", "exec 3<>/dev/tcp/"+address).Code != 0 {
		w.Errorf("not even the owner reaches %s", address)
	}
	for _, address := range []string{"203.0.113.80/80", "192.168.77.20/8080", "192.168.77.1/22", loopback(config.TransPort)} {
		if dial(address) {
			w.Errorf("%s reaches %s", c.user, address)
		}
	}
}

// loopback is a port of the box as bash's /dev/tcp takes it.
func loopback(port uint16) string { return fmt.Sprintf("127.0.0.1/%d", port) }
