package netfilter

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// xtablesLock is the file that each program of legacy iptables locks while it changes a
// table (xtables_lock of iptables' xshared.c).
const xtablesLock = "/run/xtables.lock"

// lockWatch hears of programs that have used the lock.
type lockWatch struct {
	path string
	used chan struct{} // has room for one; nil before it was heard of
	lost chan struct{} // closed: there is nothing more to hear
}

// every is how long legacy tables need not be looked at: legacyQuiet while nothing is
// going on and it is heard who uses the lock. Where the file is not there, or not any more, it is
// legacyEvery, and it is looked for again. That of a container is another file.
func (l *lockWatch) every(ctx context.Context, calm bool) time.Duration {
	select {
	case <-l.lost:
		l.lost = nil
	default:
	}
	if l.lost == nil && !l.listen(ctx) || !calm {
		return legacyEvery
	}
	return legacyQuiet
}

// listen begins to hear of the lock until ctx ends, and reports whether it can.
func (l *lockWatch) listen(ctx context.Context) bool {
	events, err := openLockEvents(l.path)
	if err != nil {
		return false
	}
	used, lost := make(chan struct{}, 1), make(chan struct{})
	l.used, l.lost = used, lost
	stop := context.AfterFunc(ctx, func() { events.Close() })
	go func() {
		defer close(lost)
		buffer := make([]byte, 4096)
		for n, err := events.Read(buffer); err == nil && onlyClosed(buffer[:n]); n, err = events.Read(buffer) {
			signal(used)
		}
		if stop() {
			events.Close()
		}
	}()
	return true
}

func openLockEvents(path string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_CLOSE|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF); err != nil {
		events.Close()
		return nil, os.NewSyscallError("inotify_add_watch", err)
	}
	return events, nil
}

// onlyClosed reports whether these events (inotify(7)) say nothing but that the file was
// closed: with any other the file at that path is not the one that is watched.
func onlyClosed(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		mask, name := binary.NativeEndian.Uint32(events[4:]), binary.NativeEndian.Uint32(events[12:])
		if mask&^unix.IN_CLOSE != 0 {
			return false
		}
		size := unix.SizeofInotifyEvent + int(name)
		if size > len(events) {
			return false
		}
		events = events[size:]
	}
	return len(events) == 0
}
