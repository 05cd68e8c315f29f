//go:build lab

package pair

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// side is one of two boxes without a network: what it says to the other by ssh is
// run on the other's disk. Both have their disk at the same place.
type side struct {
	disk
	root string
}

func newSides(t *testing.T) (a, b side) {
	t.Helper()
	if _, err := exec.LookPath("rsync"); err != nil {
		t.Skip("`make pair` installs rsync")
	}
	root := t.TempDir()
	script, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	a, b = side{newDisk(t), root}, side{newDisk(t), root}
	for _, s := range []side{a, b} {
		other := a.dir
		if s.dir == a.dir {
			other = b.dir
		}
		s.write("ssh", fmt.Sprintf("#!/bin/sh\nshift\nexec unshare -m sh -ec 'mount --bind %s %s; "+
			"exec env SSH_ORIGINAL_COMMAND=\"$*\" sh %s remote' sh \"$@\"\n", other, root, script))
		s.write("tunic-pair.conf", fmt.Sprintf("ROOT=%s\nRUN=%s/run\nSTATE=%s/state\nSSH='sh %s/ssh'\nPEER=other\nSTART=true\nSTOP=true\n"+
			"RESTART='touch %s/restarted'\nLOCKDOWN=true\n", root, root, root, root, root))
	}
	return a, b
}

func (s side) run(args ...string) (string, error) {
	s.Helper()
	words := append([]string{"-m", "sh", "-ec", `mount --bind "$0" "$1"; shift; exec sh "$@"`, s.dir, s.root, script}, args...)
	cmd := exec.Command("unshare", words...)
	cmd.Env = append(os.Environ(), "TUNIC_PAIR_CONF="+filepath.Join(s.root, "tunic-pair.conf"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s side) ok(args ...string) {
	s.Helper()
	if out, err := s.run(args...); err != nil {
		s.Fatalf("%q: %v: %s", args, err, out)
	}
}

func (s side) becomes(role string) { s.Helper(); s.ok("notify", "GROUP", "household", role) }

// TestSync: the box that waits has what the other has, a box that died hands over
// what only it had, and nothing that was read or deleted since comes again.
func TestSync(t *testing.T) {
	a, b := newSides(t)
	const lib, inbox = "var/lib/tunic/", "var/lib/tunic/mail/ann/Maildir/"
	a.becomes("MASTER")
	a.write(lib+"onions/home/hs_ed25519_secret_key", "key")
	a.write("etc/tunic/devices/phone.toml", "x")
	a.write(inbox+"new/100.aaaa.tunic,S=1", "1")
	a.write(inbox+"new/101.bbbb.tunic,S=1", "2")
	b.write("etc/tunic/devices/old.toml", "x")
	a.ok("sync")
	if !b.has(lib+"onions/home/hs_ed25519_secret_key") || !b.has("etc/tunic/devices/phone.toml") || b.has("etc/tunic/devices/old.toml") ||
		!b.has(inbox+"new/101.*") {
		t.Error("the other box is not what this one is")
	}

	// a accepts two mails more, one of which waits for a friend, and dies.
	a.write(inbox+"new/102.cccc.tunic,S=1", "3")
	a.write(lib+"mail/queue/dddd.eml", "4")
	a.write(lib+"mail/queue/dddd.json", "{}")
	b.becomes("MASTER")
	read := filepath.Join(b.dir, inbox)
	err := errors.Join(os.Remove(filepath.Join(read, "new/100.aaaa.tunic,S=1")), os.MkdirAll(filepath.Join(read, "cur"), 0o755),
		os.Rename(filepath.Join(read, "new/101.bbbb.tunic,S=1"), filepath.Join(read, "cur/101.bbbb.tunic,S=1:2,S")))
	if err != nil {
		t.Fatal(err) // somebody deletes the one and reads the other
	}

	a.becomes("BACKUP")
	if out, err := b.run("sync"); err == nil {
		t.Errorf("what only the dead box had was overwritten: %s", out)
	}
	a.ok("hand-over")
	for name, want := range map[string]bool{
		inbox + "new/102.cccc*": true, lib + "mail/queue/dddd.eml": true, lib + "mail/queue/dddd.json": true, "restarted": true,
		inbox + "new/100*": false, inbox + "cur/100*": false, inbox + "new/101*": false, inbox + "cur/101*": true,
	} {
		if b.has(name) != want {
			t.Errorf("%s is on the box that took over: %v", name, !want)
		}
	}
	b.ok("sync")
	if !a.has(inbox+"cur/101*") || a.has(inbox+"new/101*") || a.has(inbox+"new/100*") || !a.has(inbox+"new/102*") {
		t.Error("the box that is back is not what the other is")
	}
	b.ok("sync") // again, with nothing new
}

// TestBothWereOff: a box that did not know what the other had done since does not
// overwrite it.
func TestBothWereOff(t *testing.T) {
	a, b := newSides(t)
	const letter = "var/lib/tunic/mail/ann/Maildir/new/100.aaaa.tunic,S=1"
	a.becomes("MASTER")
	a.ok("sync")
	b.becomes("MASTER") // a has died, and is away for long
	b.write(letter, "1")
	b.write("etc/tunic/devices/tv.toml", "x")
	b.becomes("BACKUP") // b has died, and a comes back before it
	if out, err := b.run("hand-over"); err == nil {
		t.Errorf("b gave up what it had: %s", out)
	}
	if out, err := a.run("sync"); err == nil || !b.has(letter) || !b.has("etc/tunic/devices/tv.toml") {
		t.Errorf("a has overwritten b: %s", out)
	}
	b.ok("hand-over", "--anyway")
	a.ok("sync")
	if !a.has(letter) || !b.has(letter) || b.has("etc/tunic/devices/tv.toml") {
		t.Error("after somebody has decided it is not what a is, with the mail of both")
	}
}
