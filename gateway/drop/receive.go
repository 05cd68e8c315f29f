package drop

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"tunic/gateway/durable"
)

// unfinished is how names of files begin that are under way. No clean name has a dot there.
const unfinished = durable.Unfinished

// Bounds of what is kept.
const (
	maxFiles  = 1000      // of one friend
	leastFree = 512 << 20 // bytes of the disk that files of friends leave free
	leastPart = 20        // and a 20th of it

	megabyte = 1_000_000
)

// Refused is an error that the friend is told.
type Refused struct{ Words string }

func (r Refused) Error() string { return r.Words }

func refused(format string, args ...any) error { return Refused{fmt.Sprintf(format, args...)} }

// Inbox keeps files of friends, each one's in a directory of the petname. One Inbox alone
// may write into a directory.
type Inbox struct {
	dir  string
	free func() (free, whole int64, err error) // bytes of the disk

	mu     sync.Mutex
	coming map[string]*amount // by petname: what is under way
	last   map[receipt]string // names of what was kept, so that it is not kept twice
}

// receipt is what a sender knows of a file. A sender who did not hear that it was kept
// sends it once more.
type receipt struct {
	friend, name string
	size         int64
	sum          [32]byte
}

// maxReceipts bounds what is remembered of files that were kept.
const maxReceipts = 256

// amount is how much of something there is.
type amount struct {
	files int
	bytes int64
}

// Open begins to keep files below a directory, which has to be there, and removes what an
// earlier process has left unfinished.
func Open(dir string) (*Inbox, error) {
	left, err := filepath.Glob(filepath.Join(dir, "*", unfinished+"*"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return nil, fmt.Errorf("tidying the inbox: %w", err)
	}
	return &Inbox{dir: dir, coming: make(map[string]*amount), last: make(map[receipt]string), free: func() (int64, int64, error) {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), err
	}}, nil
}

// Receive speaks with a friend who sends a file, and returns the name that it has got. Of
// all files of the friend there may be as many bytes as the quota. Nothing of the file is
// read before it is clear that there is room for it, and the friend hears that it is kept
// when it is on the disk. Errors of Refused were said to the friend.
func (b *Inbox) Receive(c io.ReadWriter, friend string, quota int64) (kept string, err error) {
	h, err := readHeader(c)
	if err != nil {
		return "", say(c, "", orRefused(err))
	}
	h.Name = Clean(h.Name)
	if kept, ok := b.has(friend, h); ok {
		return kept, errors.Join(say(c, "", nil), discard(c, h.Size), say(c, kept, nil))
	}
	if err := b.reserve(friend, h.Size, quota); err != nil {
		return "", say(c, "", err)
	}
	defer b.release(friend, h.Size)
	if err := say(c, "send it", nil); err != nil {
		return "", err
	}
	kept, err = b.keep(c, friend, h)
	if err := say(c, kept, err); err != nil {
		return "", err
	}
	return kept, nil
}

// discard reads what need not be kept.
func discard(r io.Reader, n int64) error {
	_, err := io.CopyN(io.Discard, r, n)
	return err
}

// orRefused tells the friend of a header that is none.
func orRefused(err error) error {
	if errors.Is(err, errHeader) {
		return Refused{err.Error()}
	}
	return err
}

// say answers, and returns the error that it was asked to say, or that of saying it. What
// is wrong with this box's disk is not for others.
func say(c io.Writer, words string, err error) error {
	if err == nil {
		_, err = fmt.Fprintf(c, "+%s\r\n", words)
		return err
	}
	var r Refused
	if !errors.As(err, &r) {
		r.Words = "the other box cannot keep it now"
	}
	_, writing := fmt.Fprintf(c, "-%s\r\n", r.Words)
	return errors.Join(err, writing)
}

// reserve makes sure that there is room for a file, also beside those that come just now.
func (b *Inbox) reserve(friend string, size, quota int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	has, err := b.used(friend)
	if err != nil {
		return err
	}
	all := int64(0)
	for _, a := range b.coming {
		all += a.bytes
	}
	a := b.coming[friend]
	if a == nil {
		a = &amount{}
	}
	free, whole, err := b.free()
	switch {
	case err != nil:
		return err
	case size > quota:
		return refused("it is too large: up to %d MB are taken from one friend", quota/megabyte)
	case has.bytes+a.bytes+size > quota:
		return refused("your files that wait there have %d of %d MB: it has no room beside them",
			(has.bytes+a.bytes)/megabyte, quota/megabyte)
	case has.files+a.files >= maxFiles:
		return refused("as many of your files wait there as may: %d", maxFiles)
	case free-all-size < max(leastFree, whole/leastPart):
		return refused("the disk there is nearly full")
	}
	a.files++
	a.bytes += size
	b.coming[friend] = a
	return nil
}

func (b *Inbox) release(friend string, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.coming[friend]
	a.files--
	a.bytes -= size
	if a.files == 0 {
		delete(b.coming, friend)
	}
}

// used is what waits of a friend. What is under way counts in coming.
func (b *Inbox) used(friend string) (a amount, err error) {
	entries, err := os.ReadDir(filepath.Join(b.dir, friend))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || strings.HasPrefix(e.Name(), unfinished) { // or somebody takes it just now
			continue
		}
		a.files++
		a.bytes += info.Size()
	}
	return a, err
}

// keep writes what comes to a file of its own, and gives it its name when it is whole and
// on the disk.
func (b *Inbox) keep(r io.Reader, friend string, h Header) (string, error) {
	if err := os.Mkdir(filepath.Join(b.dir, friend), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Join(b.dir, friend), unfinished+"*") // for its owner alone
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	sum := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, sum), r, h.Size)
	switch {
	case errors.Is(err, io.EOF):
		err = refused("it ended before all of it had come")
	case err == nil && [32]byte(sum.Sum(nil)) != h.Sum:
		err = refused("what came is not what was announced: its sum is another")
	}
	if err := errors.Join(err, syncIf(f, err == nil), f.Close()); err != nil {
		return "", err
	}
	return b.name(f.Name(), friend, h)
}

func syncIf(f *os.File, whole bool) error {
	if !whole {
		return nil
	}
	return f.Sync()
}

// name gives a file the first name that is free. A link does not replace anything.
func (b *Inbox) name(path, friend string, h Header) (string, error) {
	dir := filepath.Join(b.dir, friend)
	for n := 1; n <= maxFiles+1; n++ {
		kept := numbered(h.Name, n)
		err := os.Link(path, filepath.Join(dir, kept))
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err := errors.Join(err, durable.SyncDir(dir), durable.SyncDir(b.dir)); err != nil {
			return "", err
		}
		b.remember(friend, h, kept)
		return kept, nil
	}
	return "", refused("it has the name of too many others")
}

func (b *Inbox) remember(friend string, h Header, kept string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.last) >= maxReceipts {
		clear(b.last)
	}
	b.last[receipt{friend, h.Name, h.Size, h.Sum}] = kept
}

// has reports whether a file was kept already and waits still.
func (b *Inbox) has(friend string, h Header) (kept string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept, ok = b.last[receipt{friend, h.Name, h.Size, h.Sum}]
	if ok {
		_, err := os.Lstat(filepath.Join(b.dir, friend, kept))
		ok = err == nil
	}
	return kept, ok
}
