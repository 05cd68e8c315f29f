package mail

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"tunic/gateway/feature"
	"tunic/gateway/untrusted"
)

// Modes of the mail directory. Serve's user owns what it makes, and its group is
// the IMAP server's (see cmd/tunic, run): no setgid bit hands the group down,
// which the sandbox of the unit would refuse. In a mailbox both write; through
// the directory of all mail the IMAP server only passes, the spool is not its.
const (
	mailMode    fs.FileMode = 0o710
	mailboxMode fs.FileMode = 0o770
)

// makeMailboxes makes a Maildir for each user who has mail.
func makeMailboxes(s feature.Scene) error {
	group := cmp.Or(s.Mail, s.Serve)
	err := makeMailDir(s.Paths.Mail(), s.Serve, group)
	for _, u := range s.Users {
		if err == nil && u.HasMail() {
			err = makeMailbox(s.Paths.Mail(), u.Name, s.Serve, group)
		}
	}
	return err
}

// makeMailDir makes the directory of all mail, which serve owns. The one around
// it is root's. One that an earlier tunic made has another mode, which is
// corrected when all that is in it has been.
func makeMailDir(path string, serve, mail feature.IDs) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = os.Mkdir(path, 0o700)
	case err == nil && info.IsDir() && info.Mode() != fs.ModeDir|mailMode:
		err = regroup(path, mail)
	}
	if err := errors.Join(err, os.Lchown(path, int(serve.UID), int(mail.GID)), os.Chmod(path, mailMode)); err != nil {
		return fmt.Errorf("making the directory for mail: %w", err)
	}
	return nil
}

// regroup gives all mail to the IMAP server's group, and takes the setgid bits
// away that once did so.
func regroup(dir string, mail feature.IDs) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(untrusted.Tree{Root: root, Most: math.MaxInt}, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		err = root.Lchown(path, -1, int(mail.GID))
		if info, e := d.Info(); err == nil && e == nil && d.IsDir() && info.Mode()&fs.ModeSetgid != 0 {
			err = root.Chmod(path, info.Mode().Perm())
		}
		if errors.Is(err, fs.ErrNotExist) { // a message that was just read or sent
			return nil
		}
		return err
	})
}

// makeMailbox makes what is missing of a user's Maildir. The directory belongs
// to servers that strangers talk to, who may have put links there: os.Root
// follows none that leads out of it.
func makeMailbox(dir, name string, serve, mail feature.IDs) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("making a mailbox: %w", err)
	}
	defer root.Close()
	for _, sub := range []string{"", "Maildir", "Maildir/cur", "Maildir/new", "Maildir/tmp"} {
		path := filepath.Join(name, sub)
		switch err := root.Mkdir(path, 0o700); {
		case errors.Is(err, fs.ErrExist):
			continue
		case err != nil:
			return fmt.Errorf("making a mailbox: %w", err)
		}
		if err := errors.Join(root.Lchown(path, int(serve.UID), int(mail.GID)), root.Chmod(path, mailboxMode)); err != nil {
			return fmt.Errorf("making a mailbox: %w", err)
		}
	}
	return nil
}
