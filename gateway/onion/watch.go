package onion

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// believed is how long a directory of which the kernel tells nothing is believed to be as it was. What
// inotify(7) does not tell (a file system that was mounted over it, a file that was written by another of
// its names or through memory) is found after that.
const believed = 5 * time.Minute

// What is told of a directory: all but reading, and that it is no longer where it was.
const (
	altered = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO
	left    = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
)

// watch has the kernel note what happens in key directories. Nobody waits for it, so it wakes nobody: what was noted is
// there to be read. The zero value is ready; where the kernel has no inotify nothing
// is ever quiet. It is not safe for concurrent use.
type watch struct {
	fd      int  // valid if on
	on, off bool // tried; tried in vain
	dirs    map[string]*quiet
	own     map[int32]*quiet // of a key directory or its clients', by the kernel's number
	parents map[int32]string // of the directory that key directories are in
}

// quiet is a key directory that is watched, and what was learned of it since.
type quiet struct {
	dir     string
	since   time.Time
	own     []int32 // the kernel's numbers
	address Address // "": not known
	uid     int     // whose it has to be
	asked   bool    // clients are known
	clients map[string]ClientKey
}

// at returns what is known of a directory in which nothing had happened when read was called last, or nil.
func (w *watch) at(dir string) *quiet {
	q := w.dirs[dir]
	if q != nil && time.Since(q.since) > believed {
		w.forget(q)
		return nil
	}
	return q
}

// begin watches a directory. nil: it cannot be, so it has to be looked at. Whatever is
// learned is learned after that.
func (w *watch) begin(dir string) *quiet {
	if !w.on && !w.off {
		fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
		w.fd, w.on, w.off = fd, err == nil, err != nil
		w.dirs, w.own, w.parents = make(map[string]*quiet), make(map[int32]*quiet), make(map[int32]string)
	}
	if w.off {
		return nil
	}
	parent, err := w.add(filepath.Dir(dir), left)
	if err != nil {
		return nil
	}
	w.parents[parent] = filepath.Dir(dir)
	q := &quiet{dir: dir, since: time.Now()}
	w.dirs[dir] = q
	for _, name := range []string{".", clientsDir} {
		number, err := w.add(filepath.Join(dir, name), altered|left)
		switch {
		case err == nil:
			q.own = append(q.own, number)
			w.own[number] = q
		case name != clientsDir || !errors.Is(err, unix.ENOENT): // that it comes is told of the directory
			w.forget(q)
			return nil
		}
	}
	return q
}

func (w *watch) add(path string, events uint32) (int32, error) {
	number, err := unix.InotifyAddWatch(w.fd, path, events|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW)
	return int32(number), err
}

// forget ends the watch of a directory.
func (w *watch) forget(q *quiet) {
	for _, number := range q.own {
		delete(w.own, number)
		_, _ = unix.InotifyRmWatch(w.fd, uint32(number)) // it may be gone with the directory
	}
	if w.dirs[q.dir] == q {
		delete(w.dirs, q.dir)
	}
}

// forgetAll ends the watch of those that are somewhere below a directory; of all if it is "".
func (w *watch) forgetAll(parent string) {
	for dir, q := range w.dirs {
		if parent == "" || filepath.Dir(dir) == parent {
			w.forget(q)
		}
	}
}

// read takes in what the kernel has noted.
func (w *watch) read() {
	if !w.on || w.off {
		return
	}
	buffer := make([]byte, 4096) // an event has at most 16 and 256 bytes
	for {
		n, err := unix.Read(w.fd, buffer)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil || n < unix.SizeofInotifyEvent:
			w.forgetAll("")
			_ = unix.Close(w.fd)
			w.off = true
			return
		default:
			w.take(buffer[:n])
		}
	}
}

// take takes in events (inotify(7), "Reading events from an inotify file descriptor").
func (w *watch) take(events []byte) {
	for len(events) >= unix.SizeofInotifyEvent {
		number := int32(binary.NativeEndian.Uint32(events))
		mask, size := binary.NativeEndian.Uint32(events[4:]), binary.NativeEndian.Uint32(events[12:])
		end := min(unix.SizeofInotifyEvent+int(size), len(events))
		events = events[end:]
		parent, isParent := w.parents[number]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			w.forgetAll("")
		case w.own[number] != nil:
			w.forget(w.own[number])
		case isParent: // it is elsewhere now, or gone
			w.forgetAll(parent)
			if mask&unix.IN_IGNORED != 0 {
				delete(w.parents, number)
			}
		}
	}
}
