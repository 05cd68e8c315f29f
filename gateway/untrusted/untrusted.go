// Package untrusted looks into directories in which another user writes, whose program may have
// been taken over. os.Root keeps what is asked for inside such a directory; this keeps who asks
// from waiting and from reading without end: to open a pipe in place of a file or of a directory
// takes until somebody writes into it (fifo(7)). It is a leaf.
package untrusted

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Largest is how much ReadFile reads, in bytes.
const Largest = 1 << 20

// ErrOther is returned for what is not the kind of file that was asked for, or is larger than
// Largest.
var ErrOther = errors.New("it is another kind of file, or too large")

// MostEntries is how much of a directory ReadDir reads, where Tree.Most says nothing: whose directory it is
// may have made millions, and they are read in each pass.
const MostEntries = 1 << 16

// ErrMany is returned for a directory in which there is more.
var ErrMany = errors.New("there is too much in it")

// Tree is the files of a directory, for package fs (Glob, WalkDir).
type Tree struct {
	Root *os.Root
	Most int // entries of one directory; 0: MostEntries
}

// Open implements fs.FS. Of a pipe nobody waits for the other end.
func (t Tree) Open(name string) (fs.File, error) {
	f, err := t.open(name, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Directory opens a directory, and fails with ENOTDIR for anything else.
func (t Tree) Directory(name string) (*os.File, error) { return t.open(name, unix.O_DIRECTORY) }

// OpenRoot is os.Root's for a directory. That one waits for a pipe in its place.
func (t Tree) OpenRoot(name string) (*os.Root, error) {
	dir, err := t.Directory(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
}

func (t Tree) open(name string, flag int) (*os.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return t.Root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|flag, 0)
}

// ReadDir implements fs.ReadDirFS, for directories of at most Most entries.
func (t Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	dir, err := t.Directory(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	most := cmp.Or(t.Most, MostEntries)
	list, err := dir.ReadDir(most)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if more, _ := dir.ReadDir(1); len(list) == most && len(more) > 0 {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: ErrMany}
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}

// Glob implements fs.GlobFS for patterns whose last element alone is one. Without it fs.Glob says of a
// directory that it cannot read that nothing is in it, and who removes what it finds would leave all.
// Of one that is not there nothing is found.
func (t Tree) Glob(pattern string) (found []string, err error) {
	dir, last := path.Split(pattern)
	dir = path.Clean(dir)
	entries, err := t.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch ok, err := path.Match(last, e.Name()); {
		case err != nil:
			return nil, err
		case ok:
			found = append(found, path.Join(dir, e.Name()))
		}
	}
	return found, nil
}

// ReadFile reads a regular file of at most Largest bytes, which another user owns, or the
// directory that it is in. Only in that directory a link is followed.
func ReadFile(file string) ([]byte, error) {
	root, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return Tree{Root: root}.ReadFile(filepath.Base(file))
}

// ReadFile implements fs.ReadFileFS, for regular files of at most Largest bytes.
func (t Tree) ReadFile(name string) ([]byte, error) {
	f, err := t.open(name, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text, err := []byte(nil), ErrOther
	if info.Mode().IsRegular() {
		text, err = io.ReadAll(io.LimitReader(f, Largest+1))
	}
	if len(text) > Largest {
		err = ErrOther
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return text, nil
}
