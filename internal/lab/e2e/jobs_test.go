//go:build lab

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/health"
	"tunic/internal/lab"
	"tunic/internal/lab/house"
)

// jobsVariable has the newcomer's jobs done, and eight things broken: see `make jobs`.
// Its value names the file that the results are written to, unless it is 1.
const jobsVariable = "TUNIC_JOBS"

// job is what a newcomer wants done, by what the documentation says alone.
type job struct {
	name   string
	before string // what it took at the end of November 2026, tried by a newcomer
	do     func(*doing)
}

// doing is a job under way: what is typed and edited for it, which is all that is
// counted and printed.
type doing struct {
	*world
	lines           []string
	commands, edits int
	took            time.Duration // of the commands, and until what was wanted was seen
}

// types runs a line as it is typed on a box, and returns what it printed.
func (d *doing) types(box, line, input string) lab.Result {
	d.Helper()
	d.commands++
	shown := "sudo " + line
	if box != "gateway" {
		shown += "   # on the friend's box"
	}
	d.lines = append(d.lines, shown)
	defer d.clock()()
	return d.exec(box, "sh", "-c", "printf '%s' \"$1\" | "+line, "sh", input)
}

// must is types for what has to succeed.
func (d *doing) mustType(box, line, input string) string {
	d.Helper()
	r := d.types(box, line, input)
	if r.Code != 0 {
		d.Fatalf("%s: status %d, %s%s", line, r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}

// edit writes a file.
func (d *doing) edit(path, shown, text string) {
	d.Helper()
	d.edits++
	d.lines = append(d.lines, "sudoedit "+shown)
	d.write(path, text)
}

// sees waits for what the job was for.
func (d *doing) sees(what string, try func() bool) {
	d.Helper()
	defer d.clock()()
	d.timed(what, d.eventually(what, 2*time.Minute, try))
}

func (d *doing) clock() (stop func()) {
	begin := time.Now()
	return func() { d.took += time.Since(begin) }
}

// jobs are in the order in which they are done. What one makes, the next ones use.
func jobs() []job {
	return []job{
		{"protect a household, by hand", "4 commands, 1 edit; a wrong interface name passed every check, and the house was in clear",
			protects},
		{"publish a service, and open it elsewhere", "1 command", publishes},
		{"befriend another box", "4 commands; which side confirms was not said", befriends},
		{"talk with that friend by typing", "netcat, and a port that one of the two publishes; cut after 20 s of silence", talks},
		{"a private onion: grant, revoke, grant again", "4 commands, of which the first failed", grants},
		{"the TV outside Tor for two hours", "2 commands after 3 tries: only names worked, and the TV had none", freesTV},
		{"a bank that refuses Tor", "2 commands, 1 edit, after 1 try; nothing said that Tor was the reason", passesBank},
		{"why a site does not open", "not solved", asksWhy},
	}
}

// testJobs does the jobs, then breaks things, and writes the page.
func testJobs(w *world) {
	w.private("gateway", "friend")
	w.Cleanup(func() { w.undoJobs() })
	var page strings.Builder
	page.WriteString(jobsHead)
	var scripts strings.Builder
	for _, j := range jobs() {
		w.run(j.name, func(w *world) {
			d := &doing{world: w}
			j.do(d)
			fmt.Fprintf(&page, "| %s | %s | %d | %d | %.1f |\n", j.name, j.before, d.commands, d.edits, d.took.Seconds())
			fmt.Fprintf(&scripts, "\n### %s%s\n\n```\n%s\n```\n", strings.ToUpper(j.name[:1]), j.name[1:], strings.Join(d.lines, "\n"))
		})
	}
	fmt.Fprintf(&page, "\n## What is typed\n%s", scripts.String())
	page.WriteString(brokenHead)
	for _, t := range troubles() {
		w.run(t.name, func(w *world) {
			seen := w.breaks(t)
			fmt.Fprintf(&page, "| %s | %s | %.1f | `%s` | %s | %s |\n", t.what, t.before, seen.found.Seconds(), t.code, seen.text, seen.end)
		})
	}
	path := os.Getenv(jobsVariable)
	if w.Failed() || path == "1" {
		w.Logf("%s", page.String())
		return
	}
	if err := os.WriteFile(path, []byte(page.String()), 0o644); err != nil {
		w.Fatal(err)
	}
}

const jobsHead = `# What a newcomer does

Written by ` + "`make jobs`" + `; do not edit. Each job is done in the lab, by commands and edits alone that the documentation
names. They are counted where they are run, and printed below as they are counted. The seconds are those of the commands, and until
what was wanted was seen from a device; nobody's typing, reading and thinking is in them. "Before" is what a newcomer needed for the
same on the version of 28 November 2026, with its README.

The lab has no systemd: there the daemon is started without it, and ` + "`tunic setup`" + `, by which people protect a household
with one command and some answers, is not among the jobs. [Booted machines](machines.md) run it.

| job | before | commands | edits | seconds |
|---|---|---|---|---|
`

const brokenHead = `
## Eight things broken

Each is broken on purpose, one at a time. ` + "`tunic status`" + ` has to say so within ten seconds, with what to do and without the
words of a program's errors, and ` + "`tunic doctor`" + ` the same; once it is mended the finding has to go away by itself. The
seconds count from the break, those of the clock from when tor hangs. "Before" is of the same version as above.

| what is broken | before | found after, s | finding | it says | gone after mending, s |
|---|---|---|---|---|---|
`

// protects makes a box without a configuration the household's gateway.
func protects(d *doing) {
	d.stop(syscall.SIGTERM)
	d.must("gateway", "tunic", "teardown", "--yes")
	main := d.paths().Main()
	text, err := os.ReadFile(main)
	if err == nil {
		err = os.Remove(main)
	}
	if err != nil {
		d.Fatal(err)
	}
	d.edit(main, "/etc/tunic/tunic.toml", string(text))
	d.mustType("gateway", "tunic check", "")
	d.commands++
	d.lines = append(d.lines, "sudo systemctl enable --now tunic-lockdown tunic")
	stop := d.clock()
	if _, err := d.lab.StartDaemon("gateway"); err != nil {
		d.Fatal(err)
	}
	stop()
	d.mustType("gateway", "tunic wait", "")
	if said := d.must("gateway", "tunic", "status"); !strings.HasPrefix(said, "protected") {
		d.Errorf("the status begins %.100q", said)
	}
	d.sees("the phone arrives from an exit", func() bool {
		from, ok := d.curl("phone", 20, "http://"+web4+"/ip")
		return ok && house.IsExit(from)
	})
}

func publishes(d *doing) {
	address := d.mustType("gateway", "tunic publish photos 80="+lab.NASOnionTarget, "")
	d.sees("it opens in the friend's house", func() bool {
		page, ok := d.curl("friend-laptop", 20, "http://"+address+"/")
		return ok && strings.Contains(page, "This is the nas.")
	})
}

func befriends(d *doing) {
	code := d.mustType("gateway", "tunic invite bob --me alice", "")
	d.mustType("friend", "tunic accept - --as alice", code)
	d.sees("the four words", func() bool { return d.peer("gateway", "bob").State == api.PeerConfirm })
	d.mustType("gateway", "tunic friends", "")
	d.mustType("gateway", "tunic confirm bob", "")
	d.sees("friends on both sides", func() bool {
		return d.peer("friend", "alice").State == api.PeerFriend && d.peer("gateway", "bob").State == api.PeerFriend
	})
}

// talks: two people type to each other, one on a device with netcat, one on the box.
func talks(d *doing) {
	d.sees("the friend's house knows the table", func() bool { // and leads devices there, a pass later
		said := d.exec("friend-laptop", "sh", "-c", `printf 'HELP\r\n' | timeout 3 nc alice.peer.home.arpa 1`).Stdout
		return strings.Contains(said, "talk")
	})
	stop := d.clock()
	bob := d.atTable()
	alice := d.typist("gateway", "tunic", "chat", "bob")
	bob.reads("* alice is here")
	bob.types("hello\n")
	alice.reads("bob: hello")
	alice.types("hello yourself\n")
	bob.reads("alice: hello yourself")
	stop()
	alice.leave()
	bob.reads("* alice has left.")
	bob.leave()
	d.commands += 2
	d.lines = append(d.lines, "nc alice.peer.home.arpa 1   # on any device of the friend's house, and then the line: talk",
		"sudo tunic chat bob")
}

func grants(d *doing) {
	opens := func() bool {
		page, ok := d.curl("friend-laptop", 20, "http://photos.alice.peer.home.arpa/")
		return ok && strings.Contains(page, "This is the nas.")
	}
	d.mustType("gateway", "tunic grant photos bob --private", "")
	d.sees("the friend opens it by its name", opens)
	d.mustType("gateway", "tunic revoke photos bob", "")
	d.sees("the friend does not open it", func() bool { return !opens() })
	d.mustType("gateway", "tunic grant photos bob", "")
	d.sees("the friend opens it again", opens)
}

// mac is the hardware address of a device of the household.
func (w *world) mac(device string) string {
	w.Helper()
	n, err := w.lab.Plan().Node(device)
	if err != nil {
		w.Fatal(err)
	}
	return n.Uplink.MAC
}

func freesTV(d *doing) {
	from := func() string { text, _ := d.curl("phone", 20, "http://"+web4+"/ip"); return text }
	if said := d.mustType("gateway", "tunic devices", ""); !strings.Contains(said, d.mac("phone")) {
		d.Errorf("the TV is not among the devices:\n%s", said)
	}
	d.mustType("gateway", "tunic device "+d.mac("phone")+" --policy direct --for 2h", "")
	d.sees("the TV arrives from the house's own address", func() bool { return from() == wan4 })
	if said := d.must("gateway", "tunic", "status"); !strings.Contains(said, "direct, outside Tor until") {
		d.Errorf("the status does not say until when:\n%s", said)
	}
	d.must("gateway", "tunic", "device", d.mac("phone"), "--for", "0s") // before the two hours are over
}

// passesBank: a site that answers exits with 403 opens once it is reached outside Tor.
func passesBank(d *doing) {
	l, err := d.internet.Listen(d.ctx, web4+":8403")
	if err != nil {
		d.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if host, _, _ := net.SplitHostPort(r.RemoteAddr); house.IsExit(host) {
			http.Error(rw, "no", http.StatusForbidden)
			return
		}
		fmt.Fprint(rw, "your money")
	})}
	go srv.Serve(l)
	defer srv.Close()
	const site = "http://v4.example:8403/"
	d.refuses(site, "tunic bypass add v4.example")
	d.mustType("gateway", "tunic device laptop --mac "+d.mac("laptop"), "")
	d.mustType("gateway", "tunic bypass add v4.example --device laptop", "")
	d.sees("the bank opens on the laptop", func() bool {
		page, ok := d.curl("laptop", 20, site)
		return ok && page == "your money"
	})
}

func asksWhy(d *doing) {
	d.refuses("http://v4.example:81/", "takes no connection")
}

// refuses has `tunic try` say why a site does not open.
func (d *doing) refuses(site, why string) {
	d.Helper()
	said := d.types("gateway", "tunic try "+site, "")
	if text := spaced(said.Stdout + said.Stderr); said.Code != 3 || !strings.Contains(text, why) {
		d.Errorf("try: status %d, %s", said.Code, text)
	}
}

// undoJobs leaves the house as it was, whatever of the jobs was done.
func (w *world) undoJobs() {
	for _, line := range []string{"bypass remove v4.example", "device " + w.mac("phone") + " --for 0s",
		"unpublish photos --forget-key --yes", "forget bob --yes"} {
		w.exec("gateway", append([]string{"tunic"}, strings.Fields(line)...)...)
	}
	w.exec("friend", "tunic", "forget", "alice", "--yes")
	if err := os.Remove(w.device("laptop")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.Error(err)
	}
	if err := os.Chmod(w.paths().Main(), 0o644); err != nil { // a verb that writes it makes it root's alone
		w.Error(err)
	}
	w.must("gateway", "tunic", "reload")
}

// seen is how a trouble was found.
type seen struct {
	found time.Duration
	text  string
	end   string // seconds until it was gone, or why it was not waited for
}

// lasts is a finding that tells of the past, and is there for ten minutes.
const lasts = health.RulesDrift
