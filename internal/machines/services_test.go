//go:build machines

package machines

import (
	"slices"
	"strings"
	"time"

	"tunic/gateway/config"
)

// lookAround is a command of a friend's: it tells who it is, and tries what it must not
// be able to do. What it can do besides is told too, so that the rest says something.
const lookAround = `read q; echo "$TUNIC_FRIEND asks $q"; id -un
sed -n '/^\(Cap[IPEA]\|No\|Seccomp:\)/{y/\t/ /; p}' /proc/self/status
sed '1,2d; s/:.*//; s/ //g; s/^/network /' /proc/self/net/dev
can() { if timeout 3 "$@" >/dev/null 2>&1; then echo "can $*"; fi; }
can cat /etc/hostname; can touch /tmp/x
can touch /etc/x; can touch /var/lib/x; can touch /run/x; can touch /dev/shm/x
can cat /etc/tunic/tunic.toml; can ls /var/lib/tunic/onions; can ls /root; can ls /run/tunic/tor; can ls /home
can tunic status; can systemctl stop tunic; can nft list ruleset; can ip link set lo up
can bash -c 'exec 3<>/dev/tcp/127.0.0.1/9050'; can bash -c 'exec 3<>/dev/tcp/192.168.77.1/80'
can unshare -U true; can unshare -n true; can chroot / true; can mount -t tmpfs x /tmp; can su -c true
while read -r _ at kind how _; do
	case "$kind $how" in "tmpfs "*nr_inodes=10240*) bound="within bounds" ;; "mqueue "*) bound="a queue" ;; *) bound="without bound" ;; esac
	if test -w "$at"; then echo "may write $at, $bound"; fi
done </proc/self/mounts | sort -u
can date -s 2030-01-01; can renice -n -5 $$; can chrt -f 1 true
cat /proc/[0-9]*/status 2>/dev/null | sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' | grep -vx "$(id -u)" | sort -u | sed 's/^/sees user /'`

// lookedAround is what it says.
const lookedAround = `bob asks hello
tunic-service
CapInh: 0000000000000000
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapAmb: 0000000000000000
NoNewPrivs: 1
Seccomp: 2
network lo
can cat /etc/hostname
can touch /tmp/x
can touch /dev/shm/x
may write /dev/mqueue, a queue
may write /dev/shm, within bounds
may write /tmp, within bounds
may write /var/tmp, within bounds
`

// forFriends is what a command for a friend may be, in namespaces of its own.
var forFriends = ran{"", config.ServiceUser, "none", "2", "1", "mnt net pid user uts ipc"}

// serviceForFriend has the friend use commands of the box, by their box's own verb and
// by netcat on a device of theirs, and looks at one of them from outside.
func serviceForFriend(w *world) {
	begin := time.Now()
	w.befriend()
	w.Logf("time: %s: the boxes are friends: %.1f s", w.release.Codename, time.Since(begin).Seconds())
	host := w.release.Codename + ".peer.home.arpa"
	w.write("srv/look", lookAround)
	w.must(box, "tunic", "service", "add", "look", "--friend", "bob", "--port", "79", "--", "/bin/sh", "/srv/look")
	w.must(box, "tunic", "service", "add", "stays", "--friend", "bob", "--", "/bin/sh", "-c",
		"setsid sh -c 'trap \"\" HUP TERM; exec <&- >&-; sleep 300' & while :; do echo up; sleep 0.2; done")
	begin = time.Now()
	var said string
	w.eventually("the friend's netcat has an answer", fetchLimit, func() bool {
		said = w.exec("friend-laptop", "sh", "-c", "echo hello | timeout 20 nc -N "+host+" 79").Stdout
		return said != ""
	})
	w.Logf("time: %s: the first answer: %.1f s", w.release.Codename, time.Since(begin).Seconds())
	if said != lookedAround {
		w.Errorf("a command for a friend says\n%s, not\n%s", said, lookedAround)
	}
	if r := w.exec(friend, "sh", "-c", "echo hello | tunic pipe "+w.release.Codename+" look"); r.Code != 0 || r.Stdout != lookedAround {
		w.Errorf("tunic pipe: status %d, %s\n%s", r.Code, r.Stderr, r.Stdout)
	}
	for _, place := range []string{"/tmp/x", "/dev/shm/x"} {
		if w.exec(box, "test", "-e", place).Code == 0 {
			w.Errorf("a command for a friend has written to the box's %s", place)
		}
	}
	said = w.exec("friend-laptop", "sh", "-c", "printf 'nothing\\r\\n' | timeout 20 nc -N "+host+" 1").Stdout
	if !strings.HasPrefix(said, "-") {
		w.Errorf("what is not there answers %q", said)
	}
	w.cell(host)
	w.must(box, "tunic", "service", "remove", "look")
	w.must(box, "tunic", "service", "remove", "stays")
}

// cell looks at a command, and sees it end with its connection, with all that it has left.
func (w *world) cell(host string) {
	w.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = w.lab.Exec(w.ctx, "friend-laptop", "sh", "-c", "(printf 'stays\\r\\n'; sleep 3) | timeout 3 nc "+host+" 1")
	}()
	of := func() (all []ran) {
		return slices.DeleteFunc(w.processesOf(), func(p ran) bool { return p.user != config.ServiceUser })
	}
	var names []string
	w.eventually("the command runs", fetchLimit, func() bool {
		names = nil
		for _, p := range of() {
			names = append(names, p.name)
			may := forFriends
			may.name = p.name
			if p != may {
				w.Errorf("a process for a friend is\n%+v, and may be\n%+v", p, may)
			}
		}
		return slices.Contains(names, "tunic cell") && slices.Contains(names, "sleep")
	})
	<-done
	took := w.eventually("the command has ended", 30*time.Second, func() bool {
		return w.exec(box, "pgrep", "-u", config.ServiceUser).Code != 0
	})
	w.Logf("%q ended %v after their connection", names, took.Round(time.Millisecond))
}
