package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Limits bound what an archive may make of itself.
type Limits struct {
	Files int   // entries, directories among them
	Bytes int64 // of all files together
}

// sink takes what an archive holds.
type sink interface {
	dir(tree int, rel string, h *tar.Header) error
	file(tree int, rel string, h *tar.Header, content io.Reader) error
	done() error
}

// readArchive hands everything to a sink, and returns an error unless the
// archive is whole.
func readArchive(in io.Reader, trees []Tree, limits Limits, to sink) (Header, error) {
	r := tar.NewReader(in)
	first, err := r.Next()
	if err != nil || first.Name != headerName {
		return Header{}, errors.Join(ErrNoBackup, archiveError(err))
	}
	var h Header
	if err := readMeta(first, r, &h); err != nil {
		return h, err
	}
	switch {
	case h.Format > Format:
		return h, fmt.Errorf("%w (%s, format %d; this one knows format %d)", ErrNewer, h.Version, h.Format, Format)
	case h.Format < 1:
		return h, fmt.Errorf("%w: format %d", ErrNoBackup, h.Format)
	}
	end, err := readEntries(r, trees, limits, to)
	if err != nil {
		return h, err
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		return h, errors.Join(fmt.Errorf("%w: it goes on after its end", ErrDamaged), archiveError(err))
	}
	if end.err() != nil {
		return h, end.err()
	}
	return h, to.done()
}

// ending compares what came with what should have.
type ending struct{ want, have trailer }

func (e ending) err() error {
	if e.want.Files != e.have.Files || e.want.Bytes != e.have.Bytes || !bytes.Equal(e.want.SHA256, e.have.SHA256) {
		return fmt.Errorf("%w: it has %d files where there should be %d", ErrDamaged, e.have.Files, e.want.Files)
	}
	return nil
}

// readEntries reads up to the trailer.
func readEntries(r *tar.Reader, trees []Tree, limits Limits, to sink) (ending, error) {
	s := sum{hash: sha256.New()}
	for entries := 0; ; entries++ {
		h, err := r.Next()
		if err != nil {
			return ending{}, archiveError(err)
		}
		if h.Name == trailerName {
			e := ending{have: s.trailer()}
			return e, readMeta(h, r, &e.want)
		}
		tree, rel, err := checkEntry(h, trees)
		if err != nil {
			return ending{}, err
		}
		if entries >= limits.Files || h.Size < 0 || h.Size > limits.Bytes-s.bytes {
			return ending{}, fmt.Errorf("%w: more than %d entries or %d MB", ErrTooLarge, limits.Files, limits.Bytes>>20)
		}
		if h.Typeflag == tar.TypeDir {
			err = to.dir(tree, rel, h)
		} else {
			s.begin(h.Name, h.Size)
			err = to.file(tree, rel, h, io.TeeReader(archiveReader{r}, s.hash))
		}
		if err != nil {
			return ending{}, err
		}
	}
}

// archiveReader marks errors of the archive, to tell them from those of
// writing.
type archiveReader struct{ r io.Reader }

func (a archiveReader) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if err != nil && err != io.EOF {
		err = archiveError(err)
	}
	return n, err
}

// archiveError is an error of reading: whatever is wrong with the bytes, it is
// the archive that is.
func archiveError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDamaged):
		return err
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ends in the middle", ErrDamaged)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// discard is the sink for those who only want to know whether an archive is
// whole.
type discard struct{}

func (discard) dir(int, string, *tar.Header) error { return nil }
func (discard) file(_ int, _ string, _ *tar.Header, content io.Reader) error {
	_, err := io.Copy(io.Discard, content)
	return err
}
func (discard) done() error { return nil }

// unpacker is the sink that writes below one new directory for each tree.
type unpacker struct {
	roots []*os.Root
	ids   ids
	dirs  []dirMeta // given away last, the deepest first: until then they are ours
}

type dirMeta struct {
	root     *os.Root
	rel      string
	mode     fs.FileMode
	uid, gid int
	changed  time.Time
}

// newUnpacker returns a sink for directories that are empty and the caller's.
func newUnpacker(dirs []string) (*unpacker, error) {
	u := &unpacker{ids: ids{}}
	for _, dir := range dirs {
		root, err := os.OpenRoot(dir)
		if err != nil {
			u.close()
			return nil, err
		}
		u.roots = append(u.roots, root)
	}
	return u, nil
}

func (u *unpacker) close() {
	for _, r := range u.roots {
		r.Close()
	}
}

func (u *unpacker) dir(tree int, rel string, h *tar.Header) error {
	uid, gid, err := u.ids.of(h)
	if err != nil {
		return err
	}
	root := u.roots[tree]
	if rel != "." {
		if err := entryError(h, root.Mkdir(rel, 0o700)); err != nil {
			return err
		}
	}
	mode := fs.FileMode(h.Mode) & fs.ModePerm // directories of mail once had the setgid bit; the daemon gives them their group now
	u.dirs = append(u.dirs, dirMeta{root, rel, mode, uid, gid, h.ModTime})
	return nil
}

func (u *unpacker) file(tree int, rel string, h *tar.Header, content io.Reader) error {
	uid, gid, err := u.ids.of(h)
	if err != nil {
		return err
	}
	f, err := u.roots[tree].OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return entryError(h, err)
	}
	n, err := io.Copy(f, content)
	if err == nil && n != h.Size {
		err = fmt.Errorf("%w: the entry %.80q is too short", ErrDamaged, h.Name)
	}
	if err == nil {
		err = own(f.Chown, uid, gid)
	}
	if err := errors.Join(err, f.Chmod(fs.FileMode(h.Mode)&fs.ModePerm), f.Close()); err != nil {
		return fmt.Errorf("unpacking %s: %w", h.Name, err)
	}
	return u.roots[tree].Chtimes(rel, h.ModTime, h.ModTime)
}

// entryError says of names that contradict each other that the archive is at
// fault.
func entryError(h *tar.Header, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: the entry %.80q is there twice", ErrDamaged, h.Name)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EISDIR):
		return fmt.Errorf("%w: the entry %.80q has no directory", ErrDamaged, h.Name)
	}
	return fmt.Errorf("unpacking %s: %w", h.Name, err)
}

// done gives the directories their owners and modes.
func (u *unpacker) done() error {
	for i := len(u.dirs) - 1; i >= 0; i-- {
		d := u.dirs[i]
		err := own(func(uid, gid int) error { return d.root.Lchown(d.rel, uid, gid) }, d.uid, d.gid)
		if err := errors.Join(err, d.root.Chmod(d.rel, d.mode), d.root.Chtimes(d.rel, d.changed, d.changed)); err != nil {
			return fmt.Errorf("unpacking %s: %w", filepath.Join(d.root.Name(), d.rel), err)
		}
	}
	return nil
}

// own changes an owner, which only root may, unless it is us already.
func own(chown func(uid, gid int) error, uid, gid int) error {
	if uid == os.Geteuid() && gid == os.Getegid() {
		return nil
	}
	return chown(uid, gid)
}

// ids finds the numbers that names stand for here, each once.
type ids map[string]int

// of returns the owner of an entry. A name that is empty is root's.
func (i ids) of(h *tar.Header) (uid, gid int, err error) {
	uid, err = i.once("user", h.Uname, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return 0, 0, err
	}
	gid, err = i.once("group", h.Gname, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return uid, gid, err
}

func (i ids) once(kind, name string, find func(string) (string, error)) (int, error) {
	if name == "" {
		return 0, nil
	}
	if id, known := i[kind+name]; known {
		return id, nil
	}
	text, err := find(name)
	if err != nil {
		return 0, fmt.Errorf("%w: the %s %.40q", ErrNoSuchIDs, kind, name)
	}
	id, err := strconv.Atoi(text)
	if err != nil {
		return 0, err
	}
	i[kind+name] = id
	return id, nil
}
