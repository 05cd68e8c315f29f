// Package durable writes small files so that a power cut leaves the old or the
// new one and never a part. It is for what cannot be made again, such as keys;
// what lies below /run needs none of it. It is a leaf.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces the file at path, whose directory must be there. What a power
// cut leaves beside it Sweep takes away.
func Write(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, Unfinished+"*") // for its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

// Remove removes the file at path for good.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// RemoveAll removes what is at path, and all below it, for good; that nothing
// is there is no error.
func RemoveAll(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Rename moves a file or directory to another name on the same file system.
// Its bytes must be on the disk already.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	err := SyncDir(filepath.Dir(to)) // first: twice is better than not at all
	if filepath.Dir(from) != filepath.Dir(to) {
		err = errors.Join(err, SyncDir(filepath.Dir(from)))
	}
	return err
}

// MkdirAll makes a directory and those above it where they are missing, with
// this mode whatever the umask is. What is written into one and synced could
// otherwise be gone with the directory itself.
func MkdirAll(path string, mode fs.FileMode) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: path, Err: errors.New("it is no directory")}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if err := MkdirAll(parent, mode); err != nil {
		return err
	}
	switch err := os.Mkdir(path, mode); {
	case errors.Is(err, fs.ErrExist): // somebody else was quicker
		return SyncDir(parent)
	case err != nil:
		return err
	}
	return errors.Join(os.Chmod(path, mode), SyncDir(parent))
}

// SyncDir makes the names in a directory survive a power cut.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
