//go:build machines

package machines

import (
	"fmt"
	"slices"
	"strings"

	"tunic/gateway/sample"
)

// ran is a process of the unit, as the kernel of a booted machine describes it
// in /proc/PID/status and /proc/PID/ns (proc(5), namespaces(7)).
type ran struct {
	name   string // of its program, with what it does
	user   string
	caps   string // effective capabilities, as capsh says them, or "none"
	filter string // the mode of seccomp(2): "2" is a filter of system calls
	noNew  string // "1" where no program that it starts can have more than itself
	own    string // the namespaces that are not those of process 1
}

// limits are what a process of the unit may be at the most.
type limits struct {
	names []string // programs
	user  string
	caps  string
	why   string // it has what it has
}

// namespaces are the ones that systemd gives the unit as a whole.
const namespaces = "mnt uts"

// limited are all processes of tunic.service on a box with mail and chat.
var limited = []limits{
	{[]string{"tunic run"}, "root", "chown dac_override fowner kill setgid setuid net_bind_service net_admin net_raw",
		"rules (net_admin, net_raw), the children's users (setuid, setgid, kill), tor's keys (chown, fowner, dac_override), " +
			"ports below 1024"},
	{[]string{"tunic serve"}, "tunic", "none", "listeners and logins come from the parent as descriptors and answers"},
	{[]string{"tor"}, "tunic-tor", "none", "it listens above 1024, and its keys are its own files"},
	{[]string{"dovecot", "anvil", "auth", "config", "log", "stats", "imap", "imap-login"}, "tunic-mail", "none",
		"all of Dovecot is one user: accounts are not users of the system"},
	{[]string{"lua5.4"}, "tunic-xmpp", "none", "Prosody, which dials tor's SocksPort alone"},
	{[]string{"ngircd"}, "tunic-irc", "none", "it dials nothing"},
}

// describeProcesses prints a line for each process of the unit: name, user, then
// what of its status and namespaces the table is about.
const describeProcesses = `cd /sys/fs/cgroup$(systemctl show -P ControlGroup tunic) || exit 1
decode() { v=$(capsh --decode="$1" | cut -d= -f2 | sed 's/cap_//g; s/,/ /g'); echo "${v:-none}"; }
for pid in $(find . -name cgroup.procs -exec cat {} +); do
  [ -e /proc/$pid/status ] || continue
  line=$(tr '\0' ' ' </proc/$pid/cmdline)
  user=$(ps -o user:20= -p $pid | tr -d ' ')
  field() { sed -n "s/^$1:[[:space:]]*//p" /proc/$pid/status; }
  own=
  for ns in mnt net pid user uts ipc cgroup; do
    [ "$(readlink /proc/$pid/ns/$ns)" = "$(readlink /proc/1/ns/$ns)" ] || own="$own $ns"
  done
  echo "$line|$user|$(decode $(field CapEff))|$(field Seccomp)|$(field NoNewPrivs)|${own# }"
done | sort -u`

// processesOf looks at the unit's processes.
func (w *world) processesOf() (all []ran) {
	w.Helper()
	for line := range strings.Lines(w.shell(describeProcesses)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 6 {
			w.Fatalf("a process is described by %q", line)
		}
		all = append(all, ran{programOf(f[0]), f[1], f[2], f[3], f[4], f[5]})
	}
	return all
}

// programOf is the name of a program without its directory, and the first word
// after it where tunic is the program.
func programOf(line string) string {
	words := strings.Fields(line)
	name := words[0][strings.LastIndex(words[0], "/")+1:]
	if name == "tunic" && len(words) > 1 {
		name += " " + words[1]
	}
	return strings.TrimSuffix(name, ":")
}

// confined holds each process of the unit to its limits.
func confined(w *world) {
	seen := map[string]bool{}
	for _, p := range w.processesOf() {
		i := slices.IndexFunc(limited, func(l limits) bool { return slices.Contains(l.names, p.name) })
		if i < 0 {
			w.Errorf("nobody says what this process may be: %+v", p)
			continue
		}
		l := limited[i]
		seen[l.names[0]] = true
		if may := (ran{p.name, l.user, l.caps, "2", "1", namespaces}); p != may {
			w.Errorf("a process is\n%+v, and may be\n%+v", p, may)
		}
	}
	for _, l := range limited {
		if !seen[l.names[0]] {
			w.Errorf("%s does not run", l.names[0])
		}
	}
}

// processTable is for docs/machines.md: what confined and serviceForFriend hold on both Debians.
func processTable() string {
	var b strings.Builder
	for _, l := range limited {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", strings.Join(l.names, ", "), l.user, l.caps, l.why)
	}
	fmt.Fprintf(&b, "| tunic cell, and commands for friends | %s | %s | one friend's stream is its input and output; its network, "+
		"process, user and IPC namespaces are its own |\n", forFriends.user, forFriends.caps)
	return b.String()
}

// sampled: root can have a profile of both processes, which have their limits and their lists
// of calls, in the form of `go tool pprof`.
func sampled(w *world) {
	for _, process := range []string{"parent", "serve"} {
		for _, kind := range sample.Kinds {
			file := "/root/" + process + "." + string(kind)
			w.must(box, "tunic", "sample", string(kind), "--of", process, "--seconds", "1", "--out", file)
			text := w.shell("zcat <" + file + " && rm " + file)
			if kind == sample.Goroutines && !strings.Contains(text, "runtime.gopark") { // who is idle has nothing of the others
				w.Errorf("the profile of goroutines of %s has no function's name", process)
			}
		}
	}
}
