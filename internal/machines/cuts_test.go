//go:build machines

package machines

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// cutsVariable says how often the power of each Debian is taken away.
const cutsVariable = "TUNIC_CUTS"

// TestCuts takes the power away at random moments while people publish, add
// users, send mail and change devices. Each time the machine boots and protects,
// and what somebody was told is done has been kept: the disk has only what
// programs have synced.
func TestCuts(t *testing.T) {
	cuts, err := strconv.Atoi(cmp.Or(os.Getenv(cutsVariable), "0"))
	if err != nil {
		t.Fatal(err)
	}
	if cuts == 0 {
		t.Skip("set " + cutsVariable)
	}
	w := newWorld(t, Releases, usual)
	for _, r := range Releases {
		t.Run(r.Codename, func(t *testing.T) {
			w := w.in(t)
			w.newMachine(r)
			w.boot()
			install(w)
			w.protected()
			w.must(box, "sync") // make and systemctl do not: the box was installed a while ago
			w.cutting(cuts)
		})
	}
}

// busyFor is the longest time from a device's first page to the cut.
const busyFor = 4 * time.Second

func (w *world) cutting(cuts int) {
	w.Helper()
	l := newLedger()
	w.must(box, "tunic", "publish", "album", "80=192.168.77.20:8080")
	l.done("onion album", w.must(box, "tunic", "address", "album"))
	for i := range cuts {
		stop := w.busy(l)
		time.Sleep(rand.N(busyFor))
		mark, begin := w.wan.MustMark(w), time.Now()
		l.close(true)
		w.cut()
		stop()
		l.close(false)
		w.boot()
		w.booted()
		w.protected()
		w.Logf("time: cut %d to a page through Tor: %.1f s; %d things were done", i+1, time.Since(begin).Seconds(), l.len())
		w.kept(l)
		w.whole()
		w.folders(w.authority())
		xmppLogin(w)
		if leaked := w.wan.MustLines(w, mark, w.lab.Plan().ForeignFilter(box)); len(leaked) > 0 {
			w.Errorf("cut %d: %d packets leaked, the first: %s", i+1, len(leaked), leaked[0])
		}
		if w.Failed() {
			w.Fatalf("after cut %d", i+1)
		}
	}
}

// ledger is what somebody was told is done: of each thing how it is, "" if it is
// gone. What was being done at the cut is not in it.
type ledger struct {
	mu     sync.Mutex
	closed bool // the power goes: what is done from now on is done on a disk that nobody sees again
	things map[string]string
}

func newLedger() *ledger { return &ledger{things: make(map[string]string)} }

// begin forgets how a thing was: it is about to change.
func (l *ledger) begin(thing string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.things, thing)
}

func (l *ledger) done(thing, how string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.things[thing] = how
	}
}

func (l *ledger) close(closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = closed
}

func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.things)
}

// busy has people use the box until stop is called, after the cut.
func (w *world) busy(l *ledger) (stop func()) {
	w.Helper()
	var all sync.WaitGroup
	ended := make(chan struct{})
	for _, work := range []func(*world, *ledger, int){publishing, users, mails, devices} {
		all.Go(func() {
			for n := rand.N(1 << 30); ; n++ {
				select {
				case <-ended:
					return
				case <-time.After(50 * time.Millisecond):
					work(w, l, n)
				}
			}
		})
	}
	return func() { close(ended); all.Wait() }
}

// did runs a command that changes a thing, and notes that it was done.
func (w *world) did(l *ledger, thing, how, node string, args ...string) bool {
	l.begin(thing)
	ok := w.exec(node, args...).Code == 0
	if ok {
		l.done(thing, how)
	}
	return ok
}

func publishing(w *world, l *ledger, n int) {
	name := fmt.Sprintf("o%d", n%3)
	if w.published(name) != "" {
		w.did(l, "onion "+name, "", box, "tunic", "unpublish", name)
		return
	}
	l.begin("onion " + name)
	if w.exec(box, "tunic", "publish", name, "80=192.168.77.20:8080").Code == 0 {
		if r := w.exec(box, "tunic", "address", name); r.Code == 0 {
			l.done("onion "+name, strings.TrimSpace(r.Stdout))
		}
	}
}

// published is the address of an onion that has a file; keys stay without one.
func (w *world) published(name string) string {
	return strings.TrimSpace(w.exec(box, "sh", "-c", "test -e /etc/tunic/onions/"+name+".toml && tunic address "+name).Stdout)
}

func users(w *world, l *ledger, n int) {
	name := fmt.Sprintf("u%d", n)
	if w.did(l, "user "+name, "there", box, "sh", "-c", "echo '"+password+"' | tunic user add "+name) && n%2 == 0 {
		w.did(l, "user "+name, "", box, "tunic", "user", "remove", name)
	}
}

func mails(w *world, l *ledger, n int) {
	subject := fmt.Sprintf("mail %d", n)
	w.did(l, subject, "there", "laptop", "swaks", "--timeout", "5", "--server", "192.168.77.1:587", "--tls", "--auth", "PLAIN",
		"--auth-user", "ann",
		"--auth-password", password, "--from", "ann@box.home.arpa", "--to", "ann@box.home.arpa", "--header", "Subject: "+subject)
}

func devices(w *world, l *ledger, n int) {
	name, policy := fmt.Sprintf("d%d", n%3), []string{"block", "onion"}[n%2]
	w.did(l, "device "+name, policy, box, "tunic", "device", name, "--mac", fmt.Sprintf("02:00:00:00:77:%02x", n%3), "--policy", policy)
}

// kept compares the box with the ledger.
func (w *world) kept(l *ledger) {
	w.Helper()
	list := w.must(box, "tunic", "user", "list")
	inbox := w.shell("cat /var/lib/tunic/mail/ann/Maildir/new/* /var/lib/tunic/mail/ann/Maildir/cur/* 2>/dev/null | grep -a '^Subject: " +
		"' || true")
	for thing, how := range l.things {
		kind, name, _ := strings.Cut(thing, " ")
		is := ""
		switch kind {
		case "onion":
			is = w.published(name)
		case "user":
			is = found(list, name)
		case "mail":
			is = found(inbox, thing)
		case "device":
			if text := w.exec(box, "cat", "/etc/tunic/devices/"+name+".toml").Stdout; strings.Contains(text, `"`+how+`"`) {
				is = how
			}
		}
		if is != how {
			w.Errorf("%s was %q when the power went, and is %q", thing, how, is)
		}
	}
}

func found(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(" "+strings.TrimSpace(line)+" ", " "+word+" ") {
			return "there"
		}
	}
	return ""
}

// whole: no file of tunic's is empty or half written, and none was left behind.
// Those that are empty by nature are other programs'. Prosody syncs nothing that
// it writes: archives lose what was said in the last seconds (docs/chat.md), and
// what it replaces is whole on ext4 as it comes (auto_da_alloc), which this disk
// does without. The ledger of mails that came and the list of those that are
// delivered (journal.done) are appended to: both begin empty, and their readers
// leave out a line that is not whole.
func (w *world) whole() {
	w.Helper()
	if bad := w.shell(`find /etc/tunic /var/lib/tunic -name '.new-*'`); bad != "" {
		w.Errorf("left behind: %s", bad)
	}
	if bad := w.shell(`find /etc/tunic /var/lib/tunic -type f -empty ! -name lock ! -name maildirfolder ! -path ` +
		`'/var/lib/tunic/xmpp/*' ! ` +
		`-path '*/.spool/seen/*' ! -path '*/.spool/journal.done' ! -name 'dovecot*'`); bad != "" {
		w.Errorf("empty: %s", bad)
	}
	w.must(box, "tunic", "check")
}
