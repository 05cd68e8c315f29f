package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// reserve is the room that is left on a disk when a backup is unpacked, in
// bytes.
const reserve = 32 << 20

// maxFiles bounds the entries of a backup: a million letters are a few.
const maxFiles = 4 << 20

// Check reads a whole backup and says whether it could be restored, as far as
// the file goes. It changes nothing.
func Check(path string, k Key, trees []Tree) (Header, error) {
	return open(path, func(f io.Reader) (Header, error) {
		return read(f, k, trees, Limits{math.MaxInt, math.MaxInt64}, discard{})
	})
}

// Restored is what Restore did.
type Restored struct {
	Header Header
	Moved  map[string]string // what was there before: where it was, where it is now
}

// Restore puts a backup in the place of the trees. It is unpacked beside them,
// and looked at by check (which gets the directories in the order of trees),
// before anything is touched; then each tree is exchanged by renaming it. What
// was there before is kept beside. After an error everything is as it was.
//
// Users and groups are found by name, so their numbers may differ from those
// of the box that the backup comes from.
func Restore(path string, k Key, trees []Tree, check func(h Header, dirs []string) error) (Restored, error) {
	done := Restored{}
	staged, remove, err := stage(trees)
	if err != nil {
		return done, err
	}
	defer remove()
	done.Header, err = open(path, func(f io.Reader) (Header, error) { return unpack(f, k, trees, staged) })
	if err != nil {
		return done, err
	}
	if err := check(done.Header, staged); err != nil {
		return done, fmt.Errorf("looking at what is in %s: %w", path, err)
	}
	done.Moved, err = exchange(trees, staged, time.Now())
	return done, err
}

func open(path string, f func(io.Reader) (Header, error)) (Header, error) {
	file, err := os.Open(path)
	if err != nil {
		return Header{}, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return Header{}, errors.Join(fmt.Errorf("reading %s: %w", path, ErrNoBackup), err)
	}
	h, err := f(file)
	if err != nil {
		return h, fmt.Errorf("reading %s: %w", path, err)
	}
	return h, nil
}

// stagedPrefix begins the name of the directory beside a tree in which a backup is
// unpacked; digits follow.
func stagedPrefix(t Tree) string { return "." + filepath.Base(t.Dir) + ".restore-" }

// Leftovers are the directories in which a restore that did not live to its end
// has unpacked a backup. The next one removes them.
func Leftovers(trees []Tree) (dirs []string) {
	for _, t := range trees {
		entries, _ := os.ReadDir(filepath.Dir(t.Dir)) // where nothing can be read nothing was left
		for _, e := range entries {
			if n, ok := strings.CutPrefix(e.Name(), stagedPrefix(t)); ok && n != "" && strings.Trim(n, "0123456789") == "" {
				dirs = append(dirs, filepath.Join(filepath.Dir(t.Dir), e.Name()))
			}
		}
	}
	return dirs
}

// stage makes an empty directory beside each tree, and removes those of an
// earlier time: the caller is the only one who restores.
func stage(trees []Tree) (dirs []string, remove func(), err error) {
	for _, d := range Leftovers(trees) {
		if err := os.RemoveAll(d); err != nil {
			return nil, nil, fmt.Errorf("removing what an interrupted restore left: %w", err)
		}
	}
	remove = func() {
		for _, d := range dirs {
			os.RemoveAll(d) // nothing is there any more if it took the tree's place
		}
	}
	for _, t := range trees {
		parent := filepath.Dir(t.Dir)
		if err := os.MkdirAll(parent, 0o755); err != nil {
			remove()
			return nil, nil, err
		}
		dir, err := os.MkdirTemp(parent, stagedPrefix(t))
		if err != nil {
			remove()
			return nil, nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, remove, nil
}

// unpack fills the staged directories, and has them on the disk.
func unpack(f io.Reader, k Key, trees []Tree, staged []string) (Header, error) {
	room := int64(math.MaxInt64)
	for _, dir := range staged {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return Header{}, err
		}
		room = min(room, int64(st.Bavail)*int64(st.Bsize)-reserve)
	}
	u, err := newUnpacker(staged)
	if err != nil {
		return Header{}, err
	}
	defer u.close()
	h, err := read(f, k, trees, Limits{Files: maxFiles, Bytes: max(room, 0)}, u)
	if errors.Is(err, unix.ENOSPC) {
		err = errors.Join(ErrTooLarge, err)
	}
	if err != nil {
		return h, err
	}
	for _, dir := range staged {
		if err := syncAll(dir); err != nil {
			return h, err
		}
	}
	return h, nil
}

// syncAll writes everything of a file system to the disk: one call, not one
// for each of many small files.
func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

// exchange renames the trees away and the staged ones in. If one does not go,
// those before are put back.
func exchange(trees []Tree, staged []string, now time.Time) (moved map[string]string, err error) {
	moved = make(map[string]string)
	var undo []func() error
	defer func() {
		if err != nil {
			for i := len(undo) - 1; i >= 0; i-- {
				err = errors.Join(err, undo[i]())
			}
			moved = nil
		}
	}()
	step := func(from, to string) error {
		if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE); err != nil {
			return fmt.Errorf("renaming %s to %s: %w", from, to, err)
		}
		undo = append(undo, func() error { return os.Rename(to, from) })
		return syncAll(filepath.Dir(to))
	}
	for i, t := range trees {
		if _, err := os.Lstat(t.Dir); !errors.Is(err, fs.ErrNotExist) {
			aside := t.Dir + ".before-" + now.UTC().Format("20060102-150405")
			if err := step(t.Dir, aside); err != nil {
				return nil, err
			}
			moved[t.Dir] = aside
		}
		if err := step(staged[i], t.Dir); err != nil {
			return nil, err
		}
	}
	return moved, nil
}
