//go:build lab

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tunic/gateway/api"
	"tunic/internal/lab"
)

// systemsVariable has other projects' programs tried between two houses: see `make systems`. Its value
// names the page that the results are written to, unless it is 1.
const systemsVariable = "TUNIC_SYSTEMS"

// svc is what the friend's house calls the onion that the systems' servers are published by.
const svc = "svc.alice.peer.home.arpa"

// systemLimit is how long a program may take for what it is asked: a circuit has to be built.
const systemLimit = 60 * time.Second

// system is another project's program, as people have it.
type system struct {
	name     string   // as docs/systems.md calls it
	packages []string // of Debian, whose versions are written down
	ports    []string // what the onion svc has for it, on the nas
	try      func(*trial)
}

// systems are in the order in which they are tried.
func systems() []system {
	return slices.Concat(oldPrograms(), networks(), houseServers(), machines(), outsiders())
}

// trial is a system under way, and what it has shown.
type trial struct {
	*world
	dir     string // for its files, readable for everybody
	started int
	shown   []shown
}

// shown is one thing that a system did between the two houses, or was kept from.
type shown struct {
	what, result string
	took         time.Duration
}

// testSystems tries all, and writes what they have shown. What fails is written nowhere.
func testSystems(w *world) {
	path, all := os.Getenv(systemsVariable), systems()
	if path != "1" {
		w.namesTried(path, all)
	}
	w.private("gateway", "friend")
	w.must("friend", "tunic", "accept", w.must("gateway", "tunic", "invite", "bob", "--me", "alice", "--auto"))
	w.Cleanup(func() {
		w.must("gateway", "tunic", "forget", "bob", "--yes")
		w.must("friend", "tunic", "forget", "alice", "--yes")
	})
	w.becomes("gateway", "bob", api.PeerFriend)
	w.becomes("friend", "alice", api.PeerFriend)
	publish := []string{"tunic", "publish", "svc", "--private", "--client", "bob", "80=" + lab.NASOnionTarget}
	for _, s := range all {
		for _, port := range s.ports {
			publish = append(publish, port+"="+nas4+":"+port)
		}
	}
	w.must("gateway", publish...)
	w.Cleanup(func() { w.must("gateway", "tunic", "unpublish", "svc", "--forget-key", "--yes") })
	w.eventually("bob's box has heard of the onion", pairLimit, func() bool {
		return slices.Contains(w.peer("friend", "alice").Onions, svc)
	})
	w.fetched("friend-laptop", "This is the nas.", onionLimit, "http://"+svc+"/")
	var rows []string
	tried := 0
	for _, s := range all {
		w.run(s.name, func(w *world) {
			t := &trial{world: w, dir: publicDir(w)}
			s.try(t)
			rows = append(rows, s.rows(t)...)
			tried++
		})
	}
	w.Logf("\n%s", strings.Join(rows, "\n"))
	if path != "1" && tried == len(all) && !w.Failed() {
		w.writeSystems(path, rows)
	}
}

// The lines between which docs/systems.md is written.
const (
	systemsBegin = "<!-- what follows is written by `make systems` -->\n"
	systemsEnd   = "<!-- the end of what `make systems` writes -->\n"
)

var shownBy = regexp.MustCompile("`make systems`: ([^|;\n]+?) *[|;]")

// namesTried finds that the page's own tables name no system that is not tried.
func (w *world) namesTried(path string, all []system) {
	w.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	for _, m := range shownBy.FindAllStringSubmatch(string(text), -1) {
		if !slices.ContainsFunc(all, func(s system) bool { return s.name == m[1] }) {
			w.Errorf("the page says that `make systems` shows %q, which is none of its systems", m[1])
		}
	}
}

// writeSystems puts the rows into the page.
func (w *world) writeSystems(path string, rows []string) {
	w.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), systemsBegin)
	_, foot, ends := strings.Cut(rest, systemsEnd)
	if !ok || !ends {
		w.Fatalf("%s has no lines %q and %q", path, systemsBegin, systemsEnd)
	}
	table := "\n| system | programs | what | result | seconds |\n|---|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n\n"
	if err := os.WriteFile(path, []byte(head+systemsBegin+table+systemsEnd+foot), 0o644); err != nil {
		w.Fatal(err)
	}
}

// rows are the system's lines of the table.
func (s system) rows(t *trial) (lines []string) {
	name, programs := s.name, t.versions(s.packages)
	for _, one := range t.shown {
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s | %.1f |", name, programs, one.what, one.result, one.took.Seconds()))
		name, programs = "", ""
	}
	return lines
}

// versions are the packages' upstream versions.
func (t *trial) versions(packages []string) string {
	if len(packages) == 0 {
		return ""
	}
	args := append([]string{"dpkg-query", "-W", "-f", "${Package} ${source:Upstream-Version}\n"}, packages...)
	return strings.ReplaceAll(t.must("gateway", args...), "\n", ", ")
}

// publicDir is a directory into which other users of the machine can look too.
func publicDir(w *world) string {
	w.Helper()
	dir, err := os.MkdirTemp("", "tunic-"+labID+"-system")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// does takes the time of something that has to work.
func (t *trial) does(what string, do func()) { t.Helper(); t.result(what, "works", do) }

// refuses does so of something that must not.
func (t *trial) refuses(what string, do func()) { t.Helper(); t.result(what, "refused", do) }

func (t *trial) result(what, result string, do func()) {
	t.Helper()
	begin := time.Now()
	do()
	took := time.Since(begin)
	t.timed(what, took)
	t.shown = append(t.shown, shown{what, result, took})
}

// runs starts a server for as long as the system is tried, and returns the file with what it prints.
func (t *trial) runs(node string, args ...string) (log string) {
	t.Helper()
	t.started++
	name := fmt.Sprintf("system-%s-%d", filepath.Base(t.dir), t.started)
	p, err := t.lab.Start(node, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said:\n%s", args[0], tail(t.lab.LogFile(name), 20))
		}
		t.endProcess(p)
	})
	return t.lab.LogFile(name)
}

// sh runs lines of the shell in the system's directory, which are an ordinary user's or a script's.
func (t *trial) sh(node, lines string) lab.Result {
	t.Helper()
	return t.exec(node, "env", "HOME="+t.dir, "bash", "-c", "cd "+t.dir+"\n"+lines)
}

// mustSh is sh for what has to succeed.
func (t *trial) mustSh(node, lines string) string {
	t.Helper()
	r := t.sh(node, lines)
	if r.Code != 0 {
		t.Fatalf("%s\nends with %d:\n%s%s", lines, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// until is sh for what has to print the words; it is tried until the limit.
func (t *trial) until(node, words, lines string) string {
	t.Helper()
	var last lab.Result
	defer func() {
		if t.Failed() {
			t.Logf("%s\nends with %d:\n%s%s", lines, last.Code, last.Stdout, last.Stderr)
		}
	}()
	t.eventually(words, systemLimit, func() bool {
		last = t.sh(node, lines)
		return strings.Contains(last.Stdout, words)
	})
	return last.Stdout
}

// file writes one of the system's.
func (t *trial) file(name, text string) string {
	t.Helper()
	path := filepath.Join(t.dir, name)
	t.write(path, text)
	return path
}

// key is the 56 letters of an onion of alice's box.
func (t *trial) key(onion string) string {
	t.Helper()
	return strings.TrimSuffix(t.must("gateway", "tunic", "address", onion), ".onion")
}

// blob makes a file of MB that compresses badly, of the system's directory.
func (t *trial) blob(name string, megabytes int) {
	t.Helper()
	t.mustSh("nas", "mkdir -p $(dirname "+name+"); head -c "+strconv.Itoa(megabytes<<20)+" /dev/urandom > "+name)
}

// same reports that two files of the system's have the same bytes.
func (t *trial) same(one, other string) {
	t.Helper()
	if r := t.sh("nas", "cmp "+one+" "+other); r.Code != 0 {
		t.Errorf("%s is not %s: %s%s", other, one, r.Stdout, r.Stderr)
	}
}

// offers makes a service of alice's box for bob, and waits until bob's box has heard of it.
func (t *trial) offers(name string, args ...string) {
	t.Helper()
	t.offer(name, append([]string{"--friend", "bob"}, args...)...)
	t.eventually("bob's box has heard of "+name, pairLimit, func() bool {
		var list []api.FriendService
		err := json.Unmarshal([]byte(t.must("friend", "tunic", "services", "--json")), &list)
		return err == nil && slices.ContainsFunc(list, func(s api.FriendService) bool { return s.By == "alice" && s.Name == name })
	})
}

// terminal runs a program in a window of a device's, as a person has it.
type terminal struct {
	*trial
	node, socket string
}

func (t *trial) terminal(node, program string) *terminal {
	t.Helper()
	t.started++
	w := &terminal{t, node, filepath.Join(t.dir, fmt.Sprintf("tmux-%d", t.started))}
	t.must(node, "env", "HOME="+t.dir, "tmux", "-f", "/dev/null", "-S", w.socket, "new-session", "-d", "-x", "160", "-y", "50",
		"env TERM=screen LANG=C.UTF-8 "+program)
	t.Cleanup(func() { t.exec(node, "tmux", "-S", w.socket, "kill-server") })
	return w
}

// types types a line.
func (w *terminal) types(line string) {
	w.Helper()
	w.must(w.node, "tmux", "-S", w.socket, "send-keys", "-l", line)
	w.must(w.node, "tmux", "-S", w.socket, "send-keys", "Enter")
}

// screen is what the window shows.
func (w *terminal) screen() string {
	w.Helper()
	return w.exec(w.node, "tmux", "-S", w.socket, "capture-pane", "-p").Stdout
}

// shows waits for words in the window.
func (w *terminal) shows(words string) {
	w.Helper()
	defer func() {
		if w.Failed() {
			w.Logf("the window shows:\n%s", w.screen())
		}
	}()
	w.eventually(words, systemLimit, func() bool { return strings.Contains(w.screen(), words) })
}
