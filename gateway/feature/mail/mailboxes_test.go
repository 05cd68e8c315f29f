package mail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"tunic/gateway/feature"
)

// Servers that strangers talk to may have put links where a mailbox is made.
func TestMailboxFollowsNoLink(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	ids := feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if err := os.Chmod(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "bob")); err != nil {
		t.Fatal(err)
	}
	if err := makeMailbox(dir, "bob", ids, ids); err == nil {
		t.Error("a mailbox is made behind a link")
	}
	left, _ := os.ReadDir(outside)
	info, err := os.Stat(outside)
	if err != nil || len(left) > 0 || info.Mode().Perm() != 0o700 {
		t.Errorf("outside: %v, %v, %v", left, info.Mode(), err)
	}
}

// Mail that an earlier tunic delivered under another group, or into directories
// with the setgid bit, is the IMAP server's to read afterwards.
func TestMailIsRegrouped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	ids := feature.IDs{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "bob/Maildir/new"), 0o770),
		os.WriteFile(filepath.Join(dir, "bob/Maildir/new/1"), []byte("letter"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "bob/Maildir/new/1"), 0o660); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	other := ids
	if os.Getuid() == 0 {
		other.GID = 65533
	}
	for _, sub := range []string{"", "bob", "bob/Maildir", "bob/Maildir/new"} {
		if err := os.Chmod(filepath.Join(dir, sub), fs.ModeSetgid|0o770); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(t.TempDir(), filepath.Join(dir, "bob/link")), makeMailDir(dir, ids, other)); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]fs.FileMode{"": fs.ModeDir | 0o710, "bob": fs.ModeDir | 0o770,
		"bob/Maildir/new": fs.ModeDir | 0o770, "bob/Maildir/new/1": 0o660} {
		info, err := os.Lstat(filepath.Join(dir, path))
		if err != nil || info.Mode() != mode || info.Sys().(*syscall.Stat_t).Gid != other.GID {
			t.Errorf("%q: %v, %v", path, info, err)
		}
	}
}
