package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/health"
)

// Lock is held as long as a daemon runs on a root. The kernel lets go of it
// when the process ends, however it ends, so it cannot be stale.
type Lock struct{ f *os.File }

// ErrRunning is in the error of TakeLock when a daemon holds the lock.
var ErrRunning = errors.New("a tunic daemon runs already")

// TakeLock takes the lock of a root, or says who holds it.
func TakeLock(p config.Paths) (*Lock, error) {
	if err := os.MkdirAll(p.Run, 0o755); err != nil {
		return nil, fmt.Errorf("making the directory for sockets: %w", err)
	}
	f, err := os.OpenFile(p.Lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			who := make([]byte, 20)
			n, _ := f.Read(who)
			return nil, fmt.Errorf("%w: process %s on %s", ErrRunning, strings.TrimSpace(string(who[:n])), p.Root)
		}
		return nil, fmt.Errorf("taking the lock %s: %w", p.Lock(), err)
	}
	if err := errors.Join(f.Truncate(0), write(f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		f.Close()
		return nil, fmt.Errorf("writing the lock: %w", err)
	}
	return &Lock{f}, nil
}

func write(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// Release lets the next daemon start.
func (l *Lock) Release() { l.f.Close() }

// prepareDirs makes the directories below the state and run directories with
// their owners, and refuses a state directory that would lose the keys.
func prepareDirs(p config.Paths, torIDs IDs) error {
	if err := checkState(p.State); err != nil {
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
		{filepath.Dir(p.Clock()), 0o755, int(torIDs.UID), int(torIDs.GID)}, // tunic clock has tor's uid
	} {
		err := errors.Join(durable.MkdirAll(d.path, d.mode), os.Chown(d.path, d.uid, d.gid), os.Chmod(d.path, d.mode))
		if err != nil {
			return cannot(writing(err, health.StateNotMade), d.path, "preparing %s: %w", d.path, err)
		}
	}
	if err := checkPassage(p.State, torIDs); err != nil {
		return err
	}
	return checkPassage(fronts, torIDs)
}

// usable says why the box has not even got as far as to have directories and
// ranges: nothing that it is asked for can be judged then, or done.
func (g *Gateway) usable() error {
	if g.ranges.Virtual4.IsValid() {
		return nil
	}
	return &api.Failure{Problem: api.Problem{Error: cmp.Or(g.snapshot().why, "the daemon is starting"), Hint: "nothing was changed"}}
}

// Below these a disk is as good as full: what the box writes in a day of mail
// and of Tor's directories no longer fits.
const (
	scarceBytes = 64 << 20
	scarceFiles = 1000
)

// scarce says what a file system is short of, "" if it is not.
func scarce(st unix.Statfs_t) string {
	switch free := uint64(st.Bavail) * uint64(st.Bsize); {
	case free < scarceBytes:
		return fmt.Sprintf("%d MB are free", free>>20)
	case st.Files > 0 && uint64(st.Ffree) < scarceFiles: // some count no files
		return fmt.Sprintf("%d files more fit on it", st.Ffree)
	}
	return ""
}

// lookForRoom warns before there is none.
func (a *attempt) lookForRoom() {
	var st unix.Statfs_t
	if err := unix.Statfs(a.Paths.State, &st); err != nil {
		return // other steps say more
	}
	if words := scarce(st); words != "" {
		a.find(health.DiskNearlyFull, a.Paths.State, "the disk with %s is nearly full: %s", a.Paths.State, words)
	}
}

// unseen is the code of an error of looking at a path: a file on the way, or
// something else.
func unseen(err error) health.Code {
	if errors.Is(err, syscall.ENOTDIR) {
		return health.StateNoDirectory
	}
	return health.StateUnreadable
}

// checkState refuses a state directory whose content is gone after a reboot,
// or that somebody else can change.
func checkState(dir string) error {
	existing := dir
	for {
		info, err := os.Stat(existing)
		if err == nil {
			if !info.IsDir() {
				return cannot(health.StateNoDirectory, existing, "checking the state directory: %s is not a directory", existing)
			}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || existing == "/" {
			return cannot(unseen(err), existing, "checking the state directory: %w", err)
		}
		existing = filepath.Dir(existing)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(existing, &st); err != nil {
		return cannot(health.StateUnreadable, existing, "checking the state directory %s: %w", existing, err)
	}
	if kind := uint32(st.Type); kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC { // its size and sign differ by machine
		return cannot(health.StateInMemory, dir, "the state directory %s is in memory (tmpfs): the onion keys would be lost at the next reboot; put it on a disk", dir)
	}
	if existing != dir {
		return nil // made next, with the right owner
	}
	info, err := os.Stat(dir)
	if err != nil {
		return cannot(health.StateUnreadable, dir, "checking the state directory: %w", err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; int(uid) != os.Geteuid() {
		return cannot(health.StateForeign, dir, "the state directory %s belongs to uid %d: run `chown root %s`, and find out who could read the keys", dir, uid, dir)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return cannot(health.StateWritable, dir, "the state directory %s can be written by others (mode %#o): run `chmod go-w %s`", dir, info.Mode().Perm(), dir)
	}
	return nil
}
