package onion

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"tunic/gateway/durable"
	"tunic/gateway/untrusted"
)

// keyDir is an open key directory. Everything goes through the os.Root: the
// directory belongs to tor's uid, and the caller may be root, so a link that
// leads out of it must lead nowhere.
type keyDir struct {
	root     *os.Root
	path     string // of the directory, for texts
	uid, gid int
}

// checkAccess refuses what tor would refuse: another owner, or a way in for
// the group or others.
func (d keyDir) checkAccess(name string, want fs.FileMode) error {
	info, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	path := filepath.Join(d.path, name)
	if !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file: replace it by the file itself", path)
	}
	if info.Mode()&closed != 0 {
		return fmt.Errorf("%s can be opened by others than its owner: run chmod %o %s", path, want, path)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != d.uid {
		return fmt.Errorf("%s belongs to uid %d, not to tor's: run chown -R %d:%d %s", path, stat.Uid, d.uid, d.gid, d.path)
	}
	return nil
}

// read returns the key in a key file of want bytes after its tag.
func (d keyDir) read(name, tag string, want int) ([]byte, error) {
	content, err := d.readFile(name)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(content, tagged(tag, nil)) {
		return nil, fmt.Errorf("%s does not begin as a version 3 key file of tor does: put it back from a backup", name)
	}
	if len(content) != tagLen+want {
		return nil, fmt.Errorf("%s has another length than the %d bytes of a key file: put it back from a backup", name, tagLen+want)
	}
	return content[tagLen:], nil
}

// readFile reads a file, if it is what it should be. tor may have put something else there
// since it was looked at.
func (d keyDir) readFile(name string) ([]byte, error) {
	if err := d.checkAccess(name, fileMode); err != nil {
		return nil, err
	}
	return untrusted.Tree{Root: d.root}.ReadFile(name)
}

// write makes a file that must not exist yet. It is complete on the disk
// before it has its name, and taking the name fails if something else has it:
// that is why the name is linked, not renamed.
func (d keyDir) write(name string, content []byte) error {
	tmp := durable.Unfinished + "0" // what a power cut leaves of it durable.Sweep takes away
	if err := d.root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.writeNew(tmp, content); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := d.root.Link(tmp, name); err != nil {
		return fmt.Errorf("naming %s: %w", name, err)
	}
	if err := d.root.Remove(tmp); err != nil {
		return err
	}
	return syncPath(d.path)
}

func (d keyDir) writeNew(name string, content []byte) error {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Chown(d.uid, d.gid), f.Sync(), f.Close())
}

// syncPath makes the names in a directory survive a power cut.
func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
