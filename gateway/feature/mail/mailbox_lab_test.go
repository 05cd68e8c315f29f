//go:build lab

package mail

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tunic/gateway/feature"
)

// theNine are the capabilities of tunic.service.
const theNine = "+net_admin,+net_raw,+setuid,+setgid,+kill,+chown,+fowner,+dac_override,+net_bind_service"

// Users of the test, whose numbers nobody has.
var (
	theServe  = feature.IDs{UID: 64001, GID: 64001}
	theReader = feature.IDs{UID: 64002, GID: 64002}
)

// TestMailboxParent is the parent of TestMailboxUsers and no test of its own.
func TestMailboxParent(t *testing.T) {
	dir := os.Getenv("TUNIC_MAILBOX_PARENT")
	if dir == "" {
		t.Skip("TestMailboxUsers runs this")
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || !strings.Contains(string(status), "CapEff:\t00000000000034eb") {
		t.Fatalf("other capabilities than the unit's: %v\n%s", err, status)
	}
	if err := errors.Join(makeMailDir(dir, theServe, theReader), makeMailbox(dir, "bob", theServe, theReader)); err != nil {
		t.Fatal(err)
	}
}

// TestMailboxUsers needs root: a parent with the unit's capabilities makes a
// mailbox, serve delivers, the IMAP server files and deletes, and nobody else
// reads. One that an earlier tunic made is corrected.
func TestMailboxUsers(t *testing.T) {
	for name, before := range map[string]string{
		"new": "true",
		"earlier": "mkdir -p mail/bob/Maildir/new mail/bob/Maildir/cur mail/bob/Maildir/tmp && " +
			"echo old > mail/bob/Maildir/new/0 && chown -R 64001:64001 mail && " +
			"chmod -R 770 mail && chmod 2770 mail/bob/Maildir/*",
	} {
		t.Run(name, func(t *testing.T) {
			top, err := os.MkdirTemp("", "tunic-mailbox")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(top) })
			as := func(ids feature.IDs, script string) error {
				cmd := exec.Command("sh", "-c", "umask 007; "+script)
				cmd.Dir, cmd.SysProcAttr = top, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ids.UID, Gid: ids.GID}}
				out, err := cmd.CombinedOutput()
				t.Logf("%d:%d %s: %v %s", ids.UID, ids.GID, script, err, out)
				return err
			}
			if err := errors.Join(os.Chmod(top, 0o755), as(feature.IDs{}, before)); err != nil {
				t.Fatal(err)
			}
			parent := exec.Command("setpriv", "--no-new-privs", "--inh-caps", "-all,"+theNine, "--bounding-set", "-all,"+theNine,
				os.Args[0], "-test.run", "^TestMailboxParent$")
			parent.Env = append(os.Environ(), "TUNIC_MAILBOX_PARENT="+filepath.Join(top, "mail"))
			if out, err := parent.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			box := "cd mail/bob/Maildir && "
			serve := feature.IDs{UID: theServe.UID, GID: theReader.GID} // as cmd/tunic starts it
			deliver := "ln mail/.spool/1 mail/bob/Maildir/new/1 && rm mail/.spool/1"
			if err := as(serve, "mkdir -m 700 mail/.spool && echo letter > mail/.spool/1 && "+deliver); err != nil {
				t.Error("serve cannot deliver")
			}
			noSetgid(t, filepath.Join(top, "mail"))
			if name == "earlier" && as(theReader, box+"cat new/0") != nil {
				t.Error("the IMAP server cannot read what was delivered before")
			}
			if as(theReader, box+"cat new/1 && mv new/1 cur/1:2,S && rm cur/1:2,S && echo draft > tmp/2 && mv tmp/2 cur/2") != nil {
				t.Error("the IMAP server cannot read, file and delete")
			}
			if as(serve, box+"rm cur/2") != nil {
				t.Error("serve cannot clean up")
			}
			if as(theReader, "ls mail") == nil || as(theReader, "ls mail/.spool") == nil {
				t.Error("the IMAP server sees whose mail there is, or the spool")
			}
			if as(feature.IDs{UID: 65534, GID: 65534}, "ls "+"mail/bob/Maildir/new") == nil {
				t.Error("everybody sees the mail")
			}
		})
	}
}

// noSetgid fails where a bit is left that the unit's sandbox refuses to set.
func noSetgid(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err != nil || info.Mode()&fs.ModeSetgid != 0 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
