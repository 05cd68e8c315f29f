package anchor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/durable"
	"tunic/gateway/onion"
)

// The files in a directory of certificates. A program that reads certificate and
// key one after the other can meet a renewal in between; BothFile always agrees.
const (
	KeyFile    = "key.pem"         // the leaf's key, 0600
	CertFile   = "certificate.pem" // the leaf
	AnchorFile = "anchor.pem"      // what others verify it with: it is no secret
	BothFile   = "both.pem"        // the leaf and its key, 0600
)

// maxFile is more than any of them has, in bytes.
const maxFile = 16 << 10

// Files says what is in a directory of certificates.
type Files struct {
	NotAfter time.Time
	New      bool // they were made by this call
}

// Keep keeps the leaf of an onion in a directory, which must be there: it makes
// one where none is that is good for longer than RenewBefore. Each file is
// replaced in one step, the certificate last, and a call that finishes what
// another one left half done makes all of them again. They belong to whom
// the directory belongs to. The caller may be root: no link is followed on the
// way there nor in it.
//
// With now zero the time is not known: what is there is good until it is, and
// nothing is made (ca.ErrClock).
func Keep(dir string, a onion.Address, sign Sign, now time.Time) (Files, error) {
	f, err := keep(dir, a, sign, now)
	if err != nil {
		return Files{}, fmt.Errorf("keeping certificates of %s in %s: %w", a.Host(), dir, err)
	}
	return f, nil
}

func keep(dir string, a onion.Address, sign Sign, now time.Time) (Files, error) {
	d, err := openDir(dir)
	if err != nil {
		return Files{}, err
	}
	defer d.root.Close()
	if until, ok := d.good(a, now); ok {
		return Files{NotAfter: until}, nil
	}
	leaf, err := Issue(a, sign, now)
	if err != nil {
		return Files{}, err
	}
	for _, f := range []struct {
		name, text string
		mode       fs.FileMode
	}{
		{AnchorFile, PEM(a), 0o644}, {BothFile, leaf.Cert + leaf.Key, 0o600}, {KeyFile, leaf.Key, 0o600}, {CertFile, leaf.Cert, 0o644},
	} {
		if err := d.replace(f.name, f.text, f.mode); err != nil {
			return Files{}, fmt.Errorf("writing %s: %w", f.name, err)
		}
	}
	return Files{leaf.NotAfter, true}, durable.SyncDir(dir)
}

// directory is one of somebody else's.
type directory struct {
	root     *os.Root
	uid, gid int
}

// openDir opens a directory with no link on the way, since whoever could put one
// there would have root write wherever it leads.
func openDir(dir string) (directory, error) {
	fd, err := walk(filepath.Clean(dir))
	if err != nil {
		return directory{}, err
	}
	defer unix.Close(fd)
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return directory{}, err
	}
	info, err := root.Stat(".")
	if err == nil && info.Mode().Perm()&0o002 != 0 {
		err = fmt.Errorf("everybody may write to it: run chmod o-w %s", dir)
	}
	if err != nil {
		root.Close()
		return directory{}, err
	}
	d := directory{root, os.Getuid(), os.Getgid()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		d.uid, d.gid = int(stat.Uid), int(stat.Gid)
	}
	return d, nil
}

// walk opens a directory name by name, each in the one before it, and goes through no
// link. openat2(2) would do all of it at once, but what systemd starts with
// RestrictSUIDSGID= may not call it.
func walk(dir string) (fd int, err error) {
	const step = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	from := "."
	if filepath.IsAbs(dir) {
		from = "/"
	}
	fd, err = unix.Open(from, step, 0)
	for name := range strings.SplitSeq(strings.TrimPrefix(dir, "/"), "/") {
		if err != nil || name == "" { // "" is what the root is called
			break
		}
		before := fd
		if fd, err = unix.Openat(before, name, step, 0); err != nil && isLink(before, name) {
			err = errors.New("a symbolic link is on the way there: name the directory that it leads to")
		}
		unix.Close(before)
	}
	return fd, err
}

// isLink reports whether a name in an open directory is a symbolic link, of which Openat
// says that it is no directory.
func isLink(dir int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK
}

// good reports whether all files are there, agree, and are good for long enough.
func (d directory) good(a onion.Address, now time.Time) (time.Time, bool) {
	text := make(map[string]string)
	for _, name := range []string{AnchorFile, BothFile, KeyFile, CertFile} {
		b, err := d.read(name)
		if err != nil { // made again, or the writing says why not
			return time.Time{}, false
		}
		text[name] = string(b)
	}
	until, ok := good(a, []byte(text[CertFile]), []byte(text[KeyFile]), now)
	return until, ok && text[AnchorFile] == PEM(a) && text[BothFile] == text[CertFile]+text[KeyFile]
}

// read reads a regular file, and waits for no pipe.
func (d directory) read(name string) ([]byte, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrInvalid)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// replace gives a file its content in one step.
func (d directory) replace(name, text string, mode fs.FileMode) error {
	tmp := durable.Unfinished + "0"
	if err := d.root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chown(d.uid, d.gid), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, d.root.Remove(tmp))
	}
	return d.root.Rename(tmp, name)
}
