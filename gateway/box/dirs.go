package box

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// Prepare makes the directories below the state and run directories with
// their owners, and refuses a state directory that would lose the keys.
func Prepare(p config.Paths, torIDs, serveIDs feature.IDs) error {
	if err := CheckState(p.State); err != nil {
		return err
	}
	onions := filepath.Dir(p.OnionKeys("x"))
	fronts := filepath.Dir(p.Front("x"))
	for _, d := range []struct {
		path string
		mode fs.FileMode
		uid  int
		gid  int
	}{
		{p.State, 0o711, os.Geteuid(), os.Getegid()}, // tor passes through to its own directories, nobody lists
		{onions, 0o711, os.Geteuid(), os.Getegid()},
		{p.Run, 0o755, os.Geteuid(), os.Getegid()},
		{fronts, 0o750, os.Geteuid(), int(torIDs.GID)},
		{filepath.Dir(p.TorSOCKS()), 0o710, int(torIDs.UID), int(serveIDs.GID)},
		{filepath.Dir(p.Clock()), 0o755, int(torIDs.UID), int(torIDs.GID)}, // tunic clock has tor's uid
	} {
		err := errors.Join(durable.MkdirAll(d.path, d.mode), os.Chown(d.path, d.uid, d.gid), os.Chmod(d.path, d.mode))
		if err != nil {
			return Cannot(writing(err, health.StateNotMade), d.path, "preparing %s: %w", d.path, err)
		}
	}
	if err := markVersion(p.State); err != nil {
		return err
	}
	if err := checkPassage(p.State, torIDs); err != nil {
		return err
	}
	return checkPassage(fronts, torIDs)
}

// unseen is the code of an error of looking at a path: a file on the way, or
// something else.
func unseen(err error) health.Code {
	if errors.Is(err, syscall.ENOTDIR) {
		return health.StateNoDirectory
	}
	return health.StateUnreadable
}

// CheckState refuses a state directory whose content is gone after a reboot,
// that somebody else can change, or that a newer tunic has written.
func CheckState(dir string) error {
	existing := dir
	for {
		info, err := os.Stat(existing)
		if err == nil {
			if !info.IsDir() {
				return Cannot(health.StateNoDirectory, existing, "checking the state directory: %s is not a directory", existing)
			}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || existing == "/" {
			return Cannot(unseen(err), existing, "checking the state directory: %w", err)
		}
		existing = filepath.Dir(existing)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(existing, &st); err != nil {
		return Cannot(health.StateUnreadable, existing, "checking the state directory %s: %w", existing, err)
	}
	if kind := uint32(st.Type); kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC { // its size and sign differ by machine
		return Cannot(health.StateInMemory, dir,
			"the state directory %s is in memory (tmpfs): the onion keys would be lost at the next reboot; put it on a disk", dir)
	}
	if existing != dir {
		return nil // made next, with the right owner
	}
	info, err := os.Stat(dir)
	if err != nil {
		return Cannot(health.StateUnreadable, dir, "checking the state directory: %w", err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; int(uid) != os.Geteuid() {
		return Cannot(health.StateForeign, dir,
			"the state directory %s belongs to uid %d: run `chown root %s`, and find out who could read the keys", dir, uid, dir)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return Cannot(health.StateWritable, dir, "the state directory %s can be written by others (mode %#o): run `chmod go-w %s`",
			dir, info.Mode().Perm(), dir)
	}
	return CheckVersion(dir)
}

// Below these a disk is as good as full: what the box writes in a day of mail
// and of Tor's directories no longer fits.
const (
	scarceBytes = 100 << 20
	scarceFiles = 1000
)

// A disk of which less than a part in scarcePart is free is nearly full too, unless
// that is fewBytes or more.
const (
	scarcePart = 20
	fewBytes   = 1 << 30
)

// scarce says what a file system is short of, "" if it is not.
func scarce(st unix.Statfs_t) string {
	switch free, all := uint64(st.Bavail)*uint64(st.Bsize), uint64(st.Blocks)*uint64(st.Bsize); {
	case free < scarceBytes, free < fewBytes && free < all/scarcePart:
		return fmt.Sprintf("%d MB are free", free>>20)
	case st.Files > 0 && uint64(st.Ffree) < scarceFiles: // some count no files
		return fmt.Sprintf("%d files more fit on it", st.Ffree)
	}
	return ""
}

// Full says what the file systems of directories are short of, by the first directory
// on each; those that are short of nothing are left out.
func Full(dirs ...string) map[string]string {
	short, seen := make(map[string]string), make(map[uint64]bool)
	for _, dir := range dirs {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil || seen[uint64(st.Dev)] {
			continue
		}
		seen[uint64(st.Dev)] = true
		if words := full(dir); words != "" {
			short[dir] = words
		}
	}
	return short
}

func full(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "" // who uses it says more
	}
	return scarce(st)
}
