package onion

import (
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Keyring is EnsureKeys and ForeignClients for who asks again and again, in rounds: keys are read and proved
// when something about their files has changed. While the kernel tells nothing of a directory that
// is watched, its files are not even asked about. The zero value is ready; it holds
// addresses and no key. It is safe for concurrent use, for different directories.
type Keyring struct {
	mu    sync.Mutex
	watch watch
	known map[string]provedKeys // by directory
}

// provedKeys is what EnsureKeys has said of a directory, and how that was then.
type provedKeys struct {
	address Address
	files   keyFiles
}

// keyFiles is what the kernel says of a key directory and its three files.
type keyFiles [4]struct {
	device, inode uint64
	size          int64
	mode, uid     uint32
	written       syscall.Timespec // its content (st_mtim)
	changed       syscall.Timespec // that, its names, mode or owner (st_ctim)
}

// settled is how long files have to be as they are before what was read of them is kept:
// the kernel's timestamps have steps of some milliseconds, and what is written twice
// within one has the same.
const settled = 2 * time.Second

// Round is one look at all directories: it knows what has happened until it began. What happens
// later the next one knows.
type Round struct{ *Keyring }

// Round begins a round, for which the kernel is asked once, and not for each directory.
func (k *Keyring) Round() Round {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watch.read()
	return Round{k}
}

// Ensure returns what EnsureKeys does. What it remembers is no longer than the files are
// as they were; no error is remembered.
func (k Round) Ensure(dir string, uid, gid int) (Address, error) {
	q := k.quiet(dir)
	if q != nil && q.address != "" && q.uid == uid {
		return q.address, nil
	}
	address, err := k.look(dir, uid, gid)
	if err == nil && q != nil {
		q.address, q.uid = address, uid
	}
	return address, err
}

// ForeignClients returns what ForeignClients does.
func (k Round) ForeignClients(dir string) (map[string]ClientKey, error) {
	q := k.quiet(dir)
	if q != nil && q.asked {
		return q.clients, nil
	}
	clients, err := ForeignClients(dir)
	if err == nil && q != nil {
		q.clients, q.asked = clients, true
	}
	return clients, err
}

// quiet returns what is known of a directory in which nothing has happened, which is
// watched from now on. What is learned next may be kept in it: it is forgotten with whatever
// happened meanwhile. nil: it cannot be watched.
func (k *Keyring) quiet(dir string) *quiet {
	k.mu.Lock()
	defer k.mu.Unlock()
	if q := k.watch.at(dir); q != nil {
		return q
	}
	return k.watch.begin(dir)
}

// look is Ensure without a watch: the kernel is asked how the files are.
func (k *Keyring) look(dir string, uid, gid int) (Address, error) {
	before, asked := lookAtKeys(dir), time.Now()
	k.mu.Lock()
	known, ok := k.known[dir]
	k.mu.Unlock()
	if ok && known.files == before && before.of(uid) {
		return known.address, nil
	}
	address, err := EnsureKeys(dir, uid, gid)
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, dir)
	if err == nil && before.of(uid) && before.olderThan(asked.Add(-settled)) {
		if k.known == nil {
			k.known = make(map[string]provedKeys)
		}
		k.known[dir] = provedKeys{address, before}
	}
	return address, err
}

// lookAtKeys asks the kernel about a directory and its files. What is not there has
// inode 0.
func lookAtKeys(dir string) (all keyFiles) {
	for i, name := range []string{".", secretFile, publicFile, hostnameFile} {
		var s syscall.Stat_t
		if syscall.Lstat(filepath.Join(dir, name), &s) != nil {
			continue
		}
		f := &all[i]
		f.device, f.inode, f.size, f.mode, f.uid = uint64(s.Dev), s.Ino, s.Size, s.Mode, s.Uid
		f.written, f.changed = s.Mtim, s.Ctim
	}
	return all
}

// of reports whether all four are there and belong to a user.
func (k keyFiles) of(uid int) bool {
	for _, f := range k {
		if f.inode == 0 || int(f.uid) != uid || fs.FileMode(f.mode)&closed != 0 {
			return false
		}
	}
	return true
}

// olderThan reports whether nothing of them has changed since a moment. What comes
// from the future, by a clock that was set back, has.
func (k keyFiles) olderThan(t time.Time) bool {
	for _, f := range k {
		if !time.Unix(f.changed.Unix()).Before(t) {
			return false
		}
	}
	return true
}
