package backup

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"tunic/gateway/untrusted"
)

// errChanged says that a file changed while it was stored.
var errChanged = errors.New("files changed while they were being stored")

// maxWalks bounds how often directories that change all the time are looked at
// again for what came while they were stored.
const maxWalks = 5

// writer writes one archive.
type writer struct {
	tar     *tar.Writer
	sum     sum
	names   names
	stored  map[string]stamp // by archive name
	skipped []string         // what cannot be in a backup, in words
	added   func(files int, bytes int64)
}

// stamp tells whether a file is still the same one (inode(7)).
type stamp struct {
	inode        uint64
	size         int64
	changed      syscall.Timespec
	live, passed bool // live: it may go; passed: seen again in the second look
}

// writeArchive writes everything below the trees. It returns errChanged if that
// is not the state of any one moment.
func writeArchive(out io.Writer, h Header, trees []Tree, added func(files int, bytes int64)) (skipped []string, err error) {
	w := &writer{tar: tar.NewWriter(out), sum: sum{hash: sha256.New()}, names: names{}, stored: make(map[string]stamp), added: added}
	h.Format = Format
	if err := writeMeta(w.tar, headerName, h); err != nil {
		return nil, err
	}
	for _, t := range trees {
		if err := w.tree(t); err != nil {
			return nil, err
		}
	}
	for _, t := range trees {
		if err := w.unchanged(t); err != nil {
			return nil, err
		}
	}
	if err := writeMeta(w.tar, trailerName, w.sum.trailer()); err != nil {
		return nil, err
	}
	return w.skipped, w.tar.Close()
}

// tree stores one tree. It is walked until a walk finds nothing new: in a live
// directory a file may move from where the walk has yet to come to where it was
// already.
func (w *writer) tree(t Tree) error {
	root, err := os.OpenRoot(t.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	for range maxWalks {
		before, gone := len(w.stored), false
		err := walk(root, t, func(rel string, info fs.FileInfo, live bool) error {
			err := w.entry(root, t, rel, info, live)
			if live && errors.Is(err, fs.ErrNotExist) {
				gone = true
				return nil
			}
			return err
		})
		if err != nil || len(w.stored) == before && !gone {
			return err
		}
	}
	return nil // what moves that often is not there to stay
}

// walk calls f for everything below a tree, directories before what is in them.
func walk(root *os.Root, t Tree, f func(rel string, info fs.FileInfo, live bool) error) error {
	var visit func(rel string, live bool) error
	visit = func(rel string, live bool) error {
		if t.Skip != nil && t.Skip(rel) {
			return nil
		}
		info, err := root.Lstat(rel)
		if live && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		live = live || t.Live != nil && t.Live(rel, info)
		if err := f(rel, info, live); err != nil || !info.IsDir() {
			return err
		}
		entries, err := fs.ReadDir(untrusted.Tree{Root: root, Most: math.MaxInt}, rel)
		if err != nil && !(live && errors.Is(err, fs.ErrNotExist)) {
			return err
		}
		for _, e := range entries {
			if err := visit(path.Join(rel, e.Name()), live); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(".", false)
}

// entry stores one directory or file, once.
func (w *writer) entry(root *os.Root, t Tree, rel string, info fs.FileInfo, live bool) error {
	name := path.Join(t.Name, rel)
	if _, done := w.stored[name]; done {
		return nil
	}
	switch {
	case info.IsDir():
		w.stored[name] = stamp{live: live}
		h := w.header(name+"/", info)
		h.Typeflag = tar.TypeDir
		return w.tar.WriteHeader(h)
	case info.Mode().IsRegular():
		return w.file(name, live, func() (*os.File, error) { return root.OpenFile(rel, os.O_RDONLY|unix.O_NONBLOCK, 0) })
	case info.Mode()&fs.ModeSymlink != 0 && t.Follow:
		return w.link(name, filepath.Join(t.Dir, rel))
	case info.Mode()&fs.ModeSocket == 0: // whoever needs a socket makes it
		w.skip(filepath.Join(t.Dir, rel) + " is no regular file")
	}
	return nil
}

// skip notes what is left out, once.
func (w *writer) skip(what string) {
	if !slices.Contains(w.skipped, what) {
		w.skipped = append(w.skipped, what)
	}
}

// link stores the file that a link leads to.
func (w *writer) link(name, full string) error {
	info, err := os.Stat(full)
	if err != nil || !info.Mode().IsRegular() {
		w.skip(full + " is a link that leads to no file")
		return nil
	}
	return w.file(name, false, func() (*os.File, error) { return os.OpenFile(full, os.O_RDONLY|unix.O_NONBLOCK, 0) })
}

// file stores one file as large as it is when it is opened.
func (w *writer) file(name string, live bool, open func() (*os.File, error)) error {
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errChanged
	}
	h := w.header(name, info)
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := w.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("storing %s: %w", name, err)
	}
	w.stored[name] = stampOf(info, live)
	w.sum.begin(name, h.Size)
	n, err := io.CopyN(io.MultiWriter(w.tar, w.sum.hash), f, h.Size)
	if errors.Is(err, io.EOF) && n < h.Size {
		return errChanged
	}
	if err != nil {
		return fmt.Errorf("storing %s: %w", name, err)
	}
	if w.added != nil {
		w.added(w.sum.files, w.sum.bytes)
	}
	return nil
}

func (w *writer) header(name string, info fs.FileInfo) *tar.Header {
	stat := info.Sys().(*syscall.Stat_t)
	return &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX,
		Uname: w.names.user(stat.Uid), Gname: w.names.group(stat.Gid)}
}

func stampOf(info fs.FileInfo, live bool) stamp {
	stat := info.Sys().(*syscall.Stat_t)
	return stamp{inode: stat.Ino, size: stat.Size, changed: stat.Ctim, live: live}
}

// unchanged looks again whether all that was stored is as it was.
func (w *writer) unchanged(t Tree) error {
	root, err := os.OpenRoot(t.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	err = walk(root, t, func(rel string, info fs.FileInfo, live bool) error {
		name := path.Join(t.Name, rel)
		was, known := w.stored[name]
		switch {
		case live, !known && !info.IsDir() && !info.Mode().IsRegular():
			return nil
		case info.Mode()&fs.ModeSymlink != 0: // its target is what was stored
			if now, err := os.Stat(filepath.Join(t.Dir, rel)); err == nil {
				info = now
			}
		}
		now := stampOf(info, false)
		if !known || !info.IsDir() && now != was {
			return errChanged
		}
		was.passed = true
		w.stored[name] = was
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return errChanged
	}
	if err != nil {
		return err
	}
	return w.allThere(t)
}

// allThere reports what is gone since it was stored.
func (w *writer) allThere(t Tree) error {
	for name, s := range w.stored {
		if !s.live && !s.passed && (name == t.Name || strings.HasPrefix(name, t.Name+"/")) {
			return errChanged
		}
	}
	return nil
}

// names finds the names that numbers stand for, each once. A number without a
// name is nobody's elsewhere, so such a file becomes root's.
type names map[string]string

func (n names) user(uid uint32) string {
	return n.once("u", uid, func(id string) (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func (n names) group(gid uint32) string {
	return n.once("g", gid, func(id string) (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

func (n names) once(kind string, id uint32, find func(string) (string, error)) string {
	text := strconv.FormatUint(uint64(id), 10)
	name, known := n[kind+text]
	if !known {
		name, _ = find(text)
		n[kind+text] = name
	}
	return name
}
