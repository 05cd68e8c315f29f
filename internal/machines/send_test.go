//go:build machines

package machines

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/drop"
	"tunic/internal/lab"
)

// Of files that are sent while something dies: how big one is, how much of it has come
// by then, and how long it may take until all of it is there.
const (
	sentBytes = 24 << 20
	sentPart  = 1 << 20
	sentLimit = 5 * time.Minute
)

// patienceLimit is when a box has given up on a sender of whom nothing comes, which it
// does after three minutes where Tor does not tell it that the other one is gone: in relays
// that have nothing else to say, that word can wait for the next cell (decision 118).
const patienceLimit = 4 * time.Minute

// sentWhole has files sent both ways between the box and the friend's. In the middle of
// each the box's serve is killed, or its daemon: until all of a file has come, nobody
// sees any of it, and then it is there once.
func sentWhole(w *world) {
	if !w.knows(box, "bob") {
		w.befriend()
	}
	content := make([]byte, sentBytes)
	rand.Read(content)
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	here, there := "srv/whole.bin", filepath.Join(w.TempDir(), "whole.bin")
	w.write(here, string(content))
	if err := os.WriteFile(there, content, 0o644); err != nil {
		w.Fatal(err)
	}
	for _, victim := range []struct{ name, pid string }{
		{"serve", "pgrep -o -u " + config.ServeUser + " -f 'tunic serve'"},
		{"the daemon", "systemctl show -P MainPID tunic"},
	} {
		for _, s := range []sending{
			{friend, w.release.Codename, there, box, filepath.Join(w.m.system(), config.NewPaths("/").Drop(), "bob")},
			{box, "bob", "/" + here, friend, filepath.Join(config.NewPaths(w.lab.Root(friend)).Drop(), w.release.Codename)},
		} {
			w.sentDespite(s, victim.name, victim.pid, sum)
		}
	}
	w.must(box, "rm", "/"+here)
	w.must(box, "systemctl", "reset-failed", "tunic") // it counts as never started again
	w.protected()
}

// sending is a file on its way: from which box, to whom there, and into which directory.
type sending struct{ from, petname, file, to, dir string }

// sentDespite sends a file and kills a process of the box when a part of it has come.
func (w *world) sentDespite(s sending, victim, findPID, sum string) {
	w.Helper()
	pid := w.shell(findPID)
	sent := make(chan lab.Result, 1)
	go func() {
		r, err := w.lab.Exec(w.ctx, s.from, "tunic", "send", s.petname, s.file)
		if err != nil {
			r = lab.Result{Code: -1, Stderr: err.Error()}
		}
		sent <- r
	}()
	w.eventually("a part of the file has come", fetchLimit, func() bool { return s.part() >= sentPart })
	w.must(box, "kill", "-9", pid)
	if list := w.inbox(s.to); len(list) > 0 && s.part() > 0 {
		w.Errorf("before all of it has come the inbox has %+v", list)
	}
	begin := time.Now()
	select {
	case r := <-sent:
		if r.Code != 0 {
			w.Fatalf("from %s, %s killed: status %d, %s%s", s.from, victim, r.Code, r.Stdout, r.Stderr)
		}
		w.Logf("time: %s: from %s, whole after %s was killed: %.1f s; %q", w.release.Codename, s.from, victim, time.Since(begin).Seconds(),
			strings.TrimSpace(r.Stderr))
	case <-time.After(sentLimit):
		w.Fatalf("from %s, %s killed: not whole after %v", s.from, victim, sentLimit)
	}
	if list := w.inbox(s.to); len(list) != 1 || list[0].Size != sentBytes {
		w.Fatalf("the inbox has %+v", list)
	}
	whole, err := os.ReadFile(filepath.Join(s.dir, "whole.bin"))
	if is := fmt.Sprintf("%x", sha256.Sum256(whole)); err != nil || is != sum {
		w.Errorf("what has come has the sum %s, not %s: %v", is, sum, err)
	}
	took := w.eventually("nothing is left behind", patienceLimit, func() bool { return len(s.unfinished()) == 0 })
	w.Logf("time: %s: nothing is left behind: %.1f s", w.release.Codename, took.Seconds())
	w.must(s.to, "tunic", "inbox", "remove", "whole.bin")
	w.eventually("the daemon answers", protectedLimit, func() bool { return w.status().Version != "" })
}

// unfinished are files that are under way.
func (s sending) unfinished() []string {
	paths, _ := filepath.Glob(filepath.Join(s.dir, ".new-*"))
	return paths
}

// part is how much of the file has come, 0 when it is there or has not begun.
func (s sending) part() (n int64) {
	for _, path := range s.unfinished() {
		if info, err := os.Stat(path); err == nil {
			n = max(n, info.Size())
		}
	}
	return n
}

// inbox lists what a box has from friends.
func (w *world) inbox(node string) (list []drop.File) {
	w.Helper()
	if err := json.Unmarshal([]byte(w.must(node, "tunic", "inbox", "--json")), &list); err != nil {
		w.Fatal(err)
	}
	return list
}
