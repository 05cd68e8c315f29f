package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// Kept are files as they were at a moment. Each has a second name, which Sweep
// knows, so that to put it back takes a rename and no room on a disk that is
// full by now.
type Kept struct {
	files []keptFile
	dirs  []string
}

// keptFile is one of them; without a spare name it was not there.
type keptFile struct{ path, spare string }

// Keep notes the files at these paths, and those that are not there. A directory
// stands for the files in it, and for those that may come. On an error nothing
// is kept. Until PutBack or Release, writers replace these files by rename, as
// Write does: one that writes into a file changes what is kept.
func Keep(paths ...string) (_ *Kept, err error) {
	k := &Kept{}
	defer func() {
		if err != nil {
			k.Release()
			err = fmt.Errorf("keeping what is there before it is changed: %w", err)
		}
	}()
	for _, path := range paths {
		if err := k.keep(path); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (k *Kept) keep(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.files = append(k.files, keptFile{path: path})
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return k.keepAll(path)
	}
	spare, err := spareName(path, info)
	if err == nil {
		k.files = append(k.files, keptFile{path, spare})
	}
	return err
}

func (k *Kept) keepAll(dir string) error {
	names, err := regular(dir)
	if err != nil {
		return err
	}
	for _, path := range names {
		if err := k.keep(path); err != nil {
			return err
		}
	}
	k.dirs = append(k.dirs, dir)
	return nil
}

// regular lists the files in a directory that are not half written.
func regular(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && !isTemporary(e.Name(), "") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, err
}

// spareName gives a file a second name beside the first, or a copy where the
// file system has no links.
func spareName(path string, info fs.FileInfo) (string, error) {
	for range 100 {
		spare := filepath.Join(filepath.Dir(path), Unfinished+strconv.FormatUint(rand.Uint64(), 10))
		switch err := os.Link(path, spare); {
		case err == nil:
			return spare, nil
		case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EMLINK):
			return spare, copyFile(path, spare, info)
		case !errors.Is(err, fs.ErrExist):
			return "", err
		}
	}
	return "", fs.ErrExist
}

func copyFile(from, to string, info fs.FileInfo) error {
	text, err := os.ReadFile(from)
	if err == nil {
		err = Write(to, text, info.Mode().Perm())
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && err == nil {
		err = os.Lchown(to, int(owner.Uid), int(owner.Gid))
	}
	return err
}

// PutBack makes every file what it was, and takes away those that were not
// there. It goes on after an error, which names the files that are not as they
// were.
func (k *Kept) PutBack() error {
	var errs []error
	for _, f := range k.files {
		if err := f.putBack(); err != nil {
			errs = append(errs, fmt.Errorf("putting %s back: %w", f.path, err))
		}
	}
	for _, dir := range k.dirs {
		names, err := regular(dir)
		errs = append(errs, err)
		for _, path := range names {
			if !slices.ContainsFunc(k.files, func(f keptFile) bool { return f.path == path }) {
				errs = append(errs, Remove(path))
			}
		}
	}
	return errors.Join(errs...)
}

func (f keptFile) putBack() error {
	if f.spare == "" {
		if err := Remove(f.path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := Rename(f.spare, f.path); err != nil {
		return err
	}
	f.release() // rename does nothing between two names of one file
	return nil
}

// Release forgets what was kept. A name that cannot be removed is left to Sweep.
func (k *Kept) Release() {
	for _, f := range k.files {
		f.release()
	}
}

func (f keptFile) release() {
	if f.spare != "" {
		_ = os.Remove(f.spare)
	}
}
