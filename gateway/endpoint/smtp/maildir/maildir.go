// Package maildir puts finished messages into Maildirs, once and so that a
// power cut takes none of them back.
//
// A Maildir is three directories: a message is a file in new until a reader
// moves it to cur (https://cr.yp.to/proto/maildir.html). Use this package to
// deliver from a spool on the same file system: the spool's file gets a second
// name, and no byte is copied. Do not use it to read mail.
package maildir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The modes keep mail from everybody but its server: the owner writes, the
// group, which the directory hands down, is the IMAP server's.
const (
	dirMode  fs.FileMode = 0o770
	fileMode fs.FileMode = 0o660
)

// Name is a message's file name, the same at every attempt: when it arrived,
// what makes it unique, and its size in bytes as readers expect it (Maildir++).
// It holds no host name: Maildirs are copied and shown around. What a stranger
// has sent says so, and is counted apart.
func Name(arrived time.Time, id string, size int64, stranger bool) string {
	from := "tunic"
	if stranger {
		from = strangers
	}
	return fmt.Sprintf("%d.%s.%s,S=%d", arrived.Unix(), id, from, size)
}

// strangers stands in the names of files that strangers have sent.
const strangers = "tunic-strangers"

// Ensure makes the three directories of a Maildir where they are missing.
func Ensure(dir string) error {
	for _, name := range []string{"tmp", "cur", "new"} {
		if err := os.MkdirAll(filepath.Join(dir, name), dirMode); err != nil {
			return fmt.Errorf("making a Maildir: %w", err)
		}
	}
	return nil
}

// Deliver gives the file at path the name in the Maildir's new. The file must
// be complete and synced; it stays where it is too. When Sync has returned nil
// after it the message stays delivered. A message that is there is not delivered again:
// in new that costs nothing, and in cur it is looked for only if again is true,
// which a caller says who may have delivered it before.
func Deliver(dir, path, name string, again bool) error {
	if again {
		read, err := filepath.Glob(filepath.Join(dir, "cur", name) + "*")
		if err != nil || len(read) > 0 {
			return err
		}
	}
	to := filepath.Join(dir, "new", name)
	err := os.Link(path, to)
	if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
		err = copyTo(dir, path, name)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("delivering a message: %w", withoutPath(err))
	}
	return nil
}

// Sync makes what Deliver has done in a Maildir survive a power cut.
func Sync(dir string) error {
	if err := syncDir(filepath.Join(dir, "new")); err != nil {
		return fmt.Errorf("delivering a message: %w", withoutPath(err))
	}
	return nil
}

// copyTo is for a spool on another file system.
func copyTo(dir, path, name string) (err error) {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	tmp := filepath.Join(dir, "tmp", name)
	to, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Sync(), to.Close()); err != nil {
		return err
	}
	return os.Link(tmp, filepath.Join(dir, "new", name))
}

// Use is how many bytes of a disk messages take.
type Use struct {
	Strangers int64 // what Name has marked as such
	Others    int64
}

// block is what the smallest file takes.
const block = 4096

// Cost is how many bytes a message of a size takes: many small ones fill a disk
// as one large one does.
func Cost(size int64) int64 { return max((size+block-1)/block, 1) * block }

// Usage adds up all messages in a Maildir and its folders (Maildir++:
// directories whose names begin with a dot).
func Usage(dir string) (Use, error) {
	var sum Use
	folders, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil {
		return sum, err
	}
	for _, folder := range append(folders, dir) {
		for _, name := range []string{"new", "cur"} {
			if err := sum.add(filepath.Join(folder, name)); err != nil {
				return sum, fmt.Errorf("measuring a Maildir: %w", err)
			}
		}
	}
	return sum, nil
}

func (u *Use) add(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	for _, e := range entries {
		n, ok := sizeIn(e.Name())
		if !ok {
			info, err := e.Info()
			if err != nil {
				continue // it may just have been moved
			}
			n = info.Size()
		}
		if strings.Contains(e.Name(), "."+strangers+",") {
			u.Strangers += Cost(n)
		} else {
			u.Others += Cost(n)
		}
	}
	return err
}

// sizeIn finds ",S=SIZE" in a file name.
func sizeIn(name string) (int64, bool) {
	_, rest, ok := strings.Cut(name, ",S=")
	if !ok {
		return 0, false
	}
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	n, err := strconv.ParseInt(digits, 10, 63)
	return n, err == nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// withoutPath keeps the owner of a Maildir out of logs.
func withoutPath(err error) error {
	var link *os.LinkError
	var path *fs.PathError
	switch {
	case errors.As(err, &link):
		return link.Err
	case errors.As(err, &path):
		return path.Err
	}
	return err
}
