package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"tunic/gateway/config"
	"tunic/gateway/dovecot"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/rules"
)

// Modes of the mail directory. Serve's user owns what it makes, and its group is
// the IMAP server's (see cmd/tunic, run): no setgid bit hands the group down,
// which the sandbox of the unit would refuse. In a mailbox both write; through
// the directory of all mail the IMAP server only passes, the spool is not its.
const (
	mailMode    fs.FileMode = 0o710
	mailboxMode fs.FileMode = 0o770
)

// mailboxes makes a Maildir for each user who has mail.
func (a *attempt) mailboxes() {
	if _, ok := a.in.Config.Mail(); !ok {
		return
	}
	group := a.MailIDs
	if group == (IDs{}) {
		group = a.ServeIDs
		a.find(health.ServerMissing, "dovecot", "the system user %[1]s does not exist, so nobody can read mail: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin %[1]s", config.MailUser)
	}
	err := makeMailDir(a.Paths.Mail(), a.ServeIDs, group)
	for _, u := range a.in.Users {
		if err == nil && u.HasMail() {
			err = makeMailbox(a.Paths.Mail(), u.Name, a.ServeIDs, group)
		}
	}
	if err != nil {
		a.find(health.MailboxUnusable, "", "%v", err)
	}
}

// makeMailDir makes the directory of all mail, which serve owns. The one around
// it is root's. One that an earlier tunic made has another mode, which is
// corrected when all that is in it has been.
func makeMailDir(path string, serve, mail IDs) error {
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
func regroup(dir string, mail IDs) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
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
func makeMailbox(dir, name string, serve, mail IDs) error {
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

// dovecotAddr is where serve finds the IMAP server.
var dovecotAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), config.DovecotPort)

// addIMAP wishes the IMAP server and the household's way to it.
func addIMAP(d *Desired, in Inputs) {
	mail, ok := in.Config.Mail()
	if !ok || in.Mail == (IDs{}) {
		return
	}
	d.Servers = append(d.Servers, dovecot.Settings{
		Dir: in.Paths.Server("dovecot"), Mail: in.Paths.Mail(), User: config.MailUser, UID: in.Mail.UID, GID: in.Mail.GID,
		Listen: dovecotAddr, Quota: mail.Quota, Users: in.Users,
	}.Spec())
	addBehind(d, in, link.Behind{Name: "imap", Server: dovecotAddr, Port: config.IMAPSPort, TLS: true, Proxy: true}, config.ServeIMAPPort)
}

// addBehind wishes the household's way to a server that others have written.
func addBehind(d *Desired, in Inputs, b link.Behind, internal uint16) {
	d.EachFamily(in.Scene, func(i InterfaceFacts, family string) {
		b.Listeners = append(b.Listeners, d.Listen(b.Name, i, "tcp"+family, internal))
	})
	d.Serve.Behind = append(d.Serve.Behind, b)
}

// readMail admits the household's mail programs.
func readMail(r *rules.Input, in Inputs) {
	if _, ok := in.Config.Mail(); ok {
		r.Services = append(r.Services, rules.Service{Name: "imaps", Public: config.IMAPSPort, Internal: config.ServeIMAPPort})
	}
}
