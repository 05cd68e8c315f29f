package managed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// setUser reports whether the server gets another user than the daemon's.
func (s Spec) setUser() bool { return os.Geteuid() == 0 }

// prepare makes the directories, and the files for a server of that version.
// Only Work is the server's to write: nothing of the daemon's goes there.
func (s Spec) prepare(version string) error {
	err := os.MkdirAll(filepath.Dir(s.Dir), 0o755)
	err = errors.Join(err, s.directory(s.Dir, dirMode, os.Geteuid()), s.directory(s.Work, workMode, s.owner()))
	err = errors.Join(err, s.writeAll(version))
	for _, path := range s.Stale {
		if e := os.Remove(path); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return fmt.Errorf("preparing %s: %w", s.Name, err)
	}
	return nil
}

func (s Spec) owner() int {
	if s.setUser() {
		return int(s.UID)
	}
	return os.Geteuid()
}

func (s Spec) group() int {
	if s.setUser() {
		return int(s.GID)
	}
	return os.Getegid()
}

func (s Spec) directory(path string, mode fs.FileMode, uid int) error {
	err := os.Mkdir(path, mode)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Lchown(path, uid, s.group()), os.Chmod(path, mode))
}

func (s Spec) writeAll(version string) (err error) {
	for _, f := range s.Files {
		err = errors.Join(err, s.write(f.Path, f.text(version)))
	}
	return err
}

// write replaces a file in one step, so that a server never reads half of it.
func (s Spec) write(path, text string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Chown(os.Geteuid(), s.group()), tmp.Chmod(fileMode), tmp.Close(), later(tmp.Name(), path))
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// later makes a file look newer than the one that it replaces by at least a
// second: servers that look for changes by themselves compare whole seconds and
// sizes (Dovecot's passwd-file).
func later(path, replaced string) error {
	old, err := os.Stat(replaced)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	written, err := os.Stat(path) // the kernel's clock of files lags behind the one that time.Now reads
	if err != nil {
		return err
	}
	if next := old.ModTime().Truncate(time.Second).Add(time.Second); written.ModTime().Before(next) {
		return os.Chtimes(path, next, next)
	}
	return nil
}
