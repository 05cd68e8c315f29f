package pair

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	script = "../../../deploy/ha/tunic-pair"
	config = "../../../deploy/ha/keepalived.conf"
)

// disk is a box's directories, without a box.
type disk struct {
	*testing.T
	dir string
}

func newDisk(t *testing.T) disk {
	t.Helper()
	d := disk{t, t.TempDir()}
	d.write("tunic-pair.conf", fmt.Sprintf("ROOT=%s\nRUN=%s/run\nSTATE=%s/state\nSSH=false\nPEER=nobody\n"+
		"START='touch %s/started'\nSTOP='touch %s/stopped'\nRESTART='touch %s/restarted'\nLOCKDOWN='touch %s/locked'\n",
		d.dir, d.dir, d.dir, d.dir, d.dir, d.dir, d.dir))
	d.write("etc/tunic/tunic.toml", "")
	d.write("var/lib/tunic/state.json", "")
	return d
}

func (d disk) write(name, text string) {
	d.Helper()
	path := filepath.Join(d.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		d.Fatal(err)
	}
}

func (d disk) has(name string) bool {
	found, err := filepath.Glob(filepath.Join(d.dir, name))
	return err == nil && len(found) > 0
}

// pair runs the script, as the other box would if remote is not "".
func (d disk) pair(remote string, args ...string) (string, error) {
	d.Helper()
	cmd := exec.Command("sh", append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "TUNIC_PAIR_CONF="+filepath.Join(d.dir, "tunic-pair.conf"), "SSH_ORIGINAL_COMMAND="+remote)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d disk) must(remote string, args ...string) {
	d.Helper()
	if out, err := d.pair(remote, args...); err != nil {
		d.Fatalf("%q: %v: %s", args, err, out)
	}
}

// TestRoles: tunic runs on the box that keepalived has made master, and on no other.
func TestRoles(t *testing.T) {
	for role, want := range map[string]string{"MASTER": "started", "BACKUP": "stopped", "FAULT": "stopped", "STOP": "stopped"} {
		d := newDisk(t)
		d.must("", "notify", "GROUP", "household", role, "100")
		if !d.has(want) || d.has("started") != (role == "MASTER") || d.has("state/master") != (role == "MASTER") ||
			d.has("locked") == (role == "MASTER") {
			t.Errorf("%s: it was not %s", role, want)
		}
	}
	d := newDisk(t)
	if out, err := d.pair("", "notify", "GROUP", "household", "KING"); err == nil || d.has("started") || d.has("stopped") {
		t.Errorf("an unknown role was taken: %s", out)
	}
}

// TestRemote: the other box's key is for three verbs and three directories, and what
// was accepted here is not overwritten.
func TestRemote(t *testing.T) {
	d := newDisk(t)
	lib, incoming := d.dir+"/var/lib/tunic/", d.dir+"/state/incoming/"
	for command, want := range map[string]string{
		"":                             "for tunic-pair alone",
		"sh -c id":                     "for tunic-pair alone",
		"tunic-pair notify x x MASTER": "for tunic-pair alone",
		"tunic-pair sync":              "for tunic-pair alone",
		"tunic-pair sync-in --server -logDtpre.iLsfxCIvu . /etc/shadow":            "no copy to /etc/shadow",
		"tunic-pair sync-in --server -logDtpre.iLsfxCIvu . " + incoming:            "no copy to",
		"tunic-pair sync-in --server -logDtpre.iLsfxCIvu . " + lib + "../../../x/": "no copy to",
		"tunic-pair mail-in --server -logDtpre.iLsfxCIvu . " + lib:                 "no copy to",
		"tunic-pair mail-in --server -logDtpre.iLsfxCIvu . " + incoming:            "it takes no mail",
		"tunic-pair take": "it takes no mail",
		"tunic-pair sync-in --server --sender -logDtpre.iLs . /etc/shadow " + lib:     "no copy with --sender",
		"tunic-pair sync-in -e" + d.dir + "/evil other:/x " + lib:                     "no copy but by rsync --server",
		"tunic-pair sync-in --rsh=" + d.dir + "/evil other:/x " + lib:                 "no copy but by rsync --server",
		"tunic-pair sync-in --server -logDtpre.iLs /etc/shadow . " + lib:              "no copy with /etc/shadow",
		"tunic-pair sync-in --server -logDtpre.iLs --log-file=/etc/cron.d/x . " + lib: "no copy with --log-file",
		"tunic-pair sync-in --server -logDtpre.iLs --backup-dir=/etc . " + lib:        "no copy with --backup-dir",
		"tunic-pair sync-in --server -logDtpre.iLs -K . " + lib:                       "no copy with -K",
		"tunic-pair sync-in --server -logDtprKe.iLs . " + lib:                         "no copy with -logDtprKe",
		"tunic-pair sync-in --server -logDtpre" + d.dir + "/evil . " + lib:            "no copy with -logDtpre",
		"tunic-pair sync-in " + lib:                                                   "no copy but by rsync --server",
		"tunic-pair turn PEER=7":                                                      "no number",
		"tunic-pair turn":                                                             "no number",
		"tunic-pair turn a[$(id)]":                                                    "no number",
		"tunic-pair turn 9999999999999999999999":                                      "no number",
		"tunic-pair later -1":                                                         "no number",
	} {
		if out, err := d.pair(command, "remote"); err == nil || !strings.Contains(out, want) {
			t.Errorf("%q: %v, %s; want %q", command, err, out, want)
		}
	}
	sync := "tunic-pair sync-in --server -logDtpre.iLsfxCIvu . " + lib
	d.must("", "notify", "GROUP", "household", "MASTER")
	if out, err := d.pair(sync, "remote"); err == nil || !strings.Contains(out, "both boxes are the household's") {
		t.Errorf("a box that serves was overwritten: %v, %s", err, out)
	}
	d.must("", "notify", "GROUP", "household", "BACKUP")
	if out, err := d.pair(sync, "remote"); err == nil || !strings.Contains(out, "mail to hand over first") {
		t.Errorf("a box with mail of its own was overwritten: %v, %s", err, out)
	}
}

// TestTake: mail of the other box gets its place, what is here already does not come
// twice, and tunic reads the queue again only if something has come to it.
func TestTake(t *testing.T) {
	d := newDisk(t)
	const inbox = "ann/Maildir"
	for name, text := range map[string]string{
		inbox + "/cur/100.aaaa.tunic,S=1:2,S": "read", inbox + "/new/101.bbbb.tunic,S=1": "unread", inbox + "/cur/.keep": "",
	} {
		d.write("var/lib/tunic/mail/"+name, text)
	}
	for name, text := range map[string]string{
		inbox + "/new/100.aaaa.tunic,S=1": "other", inbox + "/new/109.bbbb.tunic,S=1": "later", inbox + "/new/102.cccc.tunic,S=1": "mine",
		"bob/Maildir/new/103.dddd.tunic,S=1": "for bob",
	} {
		d.write("state/incoming/"+name, text)
	}
	d.must("", "notify", "GROUP", "household", "MASTER")
	d.must("tunic-pair take", "remote")
	for name, want := range map[string]bool{
		inbox + "/new/100.*": false, inbox + "/cur/100.aaaa.tunic,S=1:2,S": true, inbox + "/new/109.*": false,
		inbox + "/new/102.cccc.tunic,S=1": true, "bob/Maildir/new/103.dddd.tunic,S=1": true,
	} {
		if got := d.has("var/lib/tunic/mail/" + name); got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
	if d.has("restarted") || d.has("state/incoming") {
		t.Error("nothing was for the queue, and all was taken")
	}
	d.write("state/incoming/queue/eeee.eml", "text")
	d.write("state/incoming/x\n../new/state/ffff.aaaa.tunic", "out of its place")
	d.write("state/new/state/ffff.aaaa.tunic", "what the other box may not move")
	d.write("state/incoming/queue/eeee.json", "{}")
	d.must("tunic-pair take", "remote")
	if !d.has("restarted") || !d.has("var/lib/tunic/mail/queue/eeee.eml") || !d.has("var/lib/tunic/mail/queue/eeee.json") {
		t.Error("what waited for a friend waits no more")
	}
	if !d.has("state/new/state/ffff.aaaa.tunic") || d.has("var/lib/tunic/new") {
		t.Error("the second line of a name was taken for a name")
	}
}

// TestKeepalived: both families move together, tell tunic-pair, and do not come back
// by themselves.
func TestKeepalived(t *testing.T) {
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for line, times := range map[string]int{"\n\tnopreempt\n": 2, "\n\tstate BACKUP\n": 2,
		"\tnotify \"/usr/local/sbin/tunic-pair notify\"\n": 1,
		"\n\t\thousehold4\n\t\thousehold6\n":               1, "\n\t\tfe80::1/64\n": 1} {
		if got := strings.Count(string(text), line); got != times {
			t.Errorf("%q is there %d times, not %d", line, got, times)
		}
	}
}
