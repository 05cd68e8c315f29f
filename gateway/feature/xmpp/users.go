package xmpp

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tunic/gateway/account"
	"tunic/gateway/feature"
	"tunic/gateway/untrusted"
)

// accountsSum changes when a user's name or password does.
func accountsSum(users []account.User) string {
	sum := sha256.New()
	for _, u := range users {
		fmt.Fprintf(sum, "%s\n%s\n", u.Name, u.Prosody())
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// writeUsers makes the users' account files in Prosody's directory what they
// should be: Prosody reads them at each login. The directory belongs to a server
// that strangers talk to: os.Root follows no link out of it.
func writeUsers(dir, host string, users []account.User, owner feature.IDs) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err := errors.Join(err, os.Lchown(dir, int(owner.UID), int(owner.GID))); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	accounts := filepath.Join(strings.NewReplacer(".", "%2e").Replace(host), "accounts")
	for _, sub := range []string{filepath.Dir(accounts), accounts} {
		if err := root.Mkdir(sub, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := root.Lchown(sub, int(owner.UID), int(owner.GID)); err != nil {
			return err
		}
	}
	wanted := make(map[string]bool)
	for _, u := range users {
		file := filepath.Join(accounts, fileName(u.Name)+".dat")
		wanted[filepath.Base(file)] = true
		if err := keepAccount(root, file, u.Prosody(), owner); err != nil {
			return err
		}
	}
	old, err := fs.Glob(untrusted.Tree{Root: root}, accounts+"/*.dat")
	for _, file := range old {
		if !wanted[filepath.Base(file)] {
			err = errors.Join(err, root.Remove(file))
		}
	}
	return err
}

// fileName is how Prosody writes a name as a file's (util.datamanager): what
// is neither letter nor digit becomes % and two digits.
func fileName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// keepAccount writes a file by rename, unless it says that already.
func keepAccount(root *os.Root, file, text string, owner feature.IDs) error {
	if have, err := fs.ReadFile(untrusted.Tree{Root: root}, file); err == nil && string(have) == text {
		return nil
	}
	next := file + ".new"
	if err := root.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chown(int(owner.UID), int(owner.GID)), f.Sync(), f.Close()); err != nil {
		return err
	}
	return root.Rename(next, file)
}
