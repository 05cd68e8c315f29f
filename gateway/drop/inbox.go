package drop

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tunic/gateway/untrusted"
)

// File is one that waits in the inbox.
type File struct {
	From string    `json:"from"` // the name that the house had for the friend
	Name string    `json:"name"`
	Size int64     `json:"size"` // bytes
	At   time.Time `json:"at"`   // when it was whole
}

// Path is what people call a file.
func (f File) Path() string { return f.From + "/" + f.Name }

// maxListed is how many files and directories are looked at to say what waits.
const maxListed = 20 * maxFiles

// ErrMany says that there is more in an inbox than Waiting looks at.
var ErrMany = fmt.Errorf("more than %d files are in the inbox; those beyond are seen when some of these are taken or removed", maxListed)

// Waiting lists the files in an inbox by their names, by friend, the oldest first. There may
// be no inbox yet. Serve, which has it, may have been taken over: of what could be any
// number of files so many are looked at, and with ErrMany comes what they are.
func Waiting(dir string) (list []File, err error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking into the inbox: %w", err)
	}
	defer root.Close()
	left := maxListed
	friends, err := entries(root, ".", &left)
	for _, d := range friends {
		if err != nil {
			break
		}
		if d.IsDir() {
			err = ofFriend(root, d.Name(), &left, &list)
		}
	}
	slices.SortFunc(list, func(a, b File) int { return cmp.Or(cmp.Compare(a.From, b.From), a.At.Compare(b.At)) })
	return list, err
}

// ofFriend adds a friend's files to a list.
func ofFriend(root *os.Root, friend string, left *int, list *[]File) error {
	names, many := entries(root, friend, left)
	if many != nil && !errors.Is(many, ErrMany) {
		return many
	}
	for _, d := range names {
		if strings.HasPrefix(d.Name(), unfinished) || !d.Type().IsRegular() {
			continue
		}
		info, err := root.Lstat(path.Join(friend, d.Name()))
		switch {
		case errors.Is(err, fs.ErrNotExist): // somebody has taken it
		case err != nil:
			return err
		case info.Mode().IsRegular():
			*list = append(*list, File{From: friend, Name: d.Name(), Size: info.Size(), At: info.ModTime()})
		}
	}
	return many
}

// entries reads as many names of a directory as are left to look at. One that is gone has none,
// and so has what is in its place.
func entries(root *os.Root, name string, left *int) ([]fs.DirEntry, error) {
	dir, err := untrusted.Tree{Root: root}.Directory(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	list, err := dir.ReadDir(*left + 1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if len(list) > *left {
		list, err = list[:*left], ErrMany
	}
	*left -= len(list)
	return list, err
}

// Take moves a file to a directory, where it gets the first name that is free, which is
// returned, and the directory's owner.
func Take(inbox string, f File, to string) (name string, err error) {
	from, err := os.OpenRoot(inbox)
	if err != nil {
		return "", err
	}
	defer from.Close()
	dir, err := os.OpenRoot(to)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	// Serve, which has the inbox, may have been taken over: no link, and no pipe to wait for.
	in, err := from.OpenFile(f.Path(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, fmt.Errorf("%s is no file", f.Path()))
	}
	if name, err = copyInto(dir, in, Clean(f.Name)); err != nil {
		return "", err
	}
	return name, from.Remove(f.Path())
}

// copyInto makes a whole file of what is read, beside those that are there.
func copyInto(dir *os.Root, in io.Reader, name string) (string, error) {
	spare := unfinished + strconv.FormatUint(rand.Uint64(), 10)
	out, err := dir.OpenFile(spare, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer dir.Remove(spare)
	_, err = io.Copy(out, in)
	if err := errors.Join(err, giveToOwner(dir, out), out.Sync(), out.Close()); err != nil {
		return "", err
	}
	for n := 1; n <= maxFiles; n++ {
		switch err := dir.Link(spare, numbered(name, n)); {
		case err == nil:
			return numbered(name, n), nil
		case !errors.Is(err, fs.ErrExist):
			return "", err
		}
	}
	return "", fmt.Errorf("too many files there are called %s", name)
}

// giveToOwner gives a file to whom its directory is, if this is root's to give.
func giveToOwner(dir *os.Root, f *os.File) error {
	info, err := dir.Stat(".")
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	return f.Chown(int(st.Uid), int(st.Gid))
}

// Discard removes a file of an inbox.
func Discard(inbox string, f File) error {
	root, err := os.OpenRoot(inbox)
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Remove(f.Path())
}
