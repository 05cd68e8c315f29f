package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	journalSize = 4 << 20   // bytes of the file; what does not fit makes it begin again
	growth      = 256 << 10 // by which it grows, so that most syncs have no new size to write
	batchSize   = 1 << 20   // bytes that are written at once, at most one record more

	longestGather = 5 * time.Millisecond
)

// errBroken is returned by a journal that a sync has failed on before.
var errBroken = errors.New("the journal cannot be used")

// journal is where messages are durable at the moment of their promise: one
// file, in which everybody who waits shares one sync. When it is full, settle
// brings what it holds to files of their own, and it begins again.
type journal struct {
	file, done *os.File // done says which of its messages are finished
	settle     func([]*entry) error
	log        *slog.Logger
	lazy       atomic.Bool // done is about to be synced

	mu      sync.Mutex
	turn    *sync.Cond // a batch was written
	waiting []*entry
	writing bool              // somebody writes, and has what follows to itself
	live    map[string]*entry // those that are not finished
	took    time.Duration     // to write the last batch
	crowd   int               // who was in it, and waited when it was written

	broken     bool // a sync has failed: what is in the file, nobody knows
	torn       bool // a write has failed: records of it may be whole, behind the tail
	generation uint64
	tail, size int64
}

// entry is a message on its way into the journal, or in it.
type entry struct {
	record
	generation uint64
	ended      bool // it was written, or not: err
	err        error

	synced        bool // its content's own file is durable
	settled, gone bool // it has its own envelope file; it was removed: under Spool.files
}

// openJournal opens the two files, and makes them where they are missing.
func openJournal(path string, log *slog.Logger) (*journal, error) {
	j := &journal{log: log, live: make(map[string]*entry)}
	j.turn = sync.NewCond(&j.mu)
	var err error
	if j.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if j.done, err = os.OpenFile(path+".done", os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, errors.Join(err, j.file.Close())
	}
	return j, nil
}

// add writes a message, together with those of others, and returns when it is
// on the disk.
func (j *journal) add(e *entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = append(j.waiting, e)
	for !e.ended {
		if j.writing {
			j.turn.Wait()
			continue
		}
		j.lead()
	}
	return e.err
}

// lead writes for all that wait.
func (j *journal) lead() {
	j.writing = true
	j.gather()
	var batch []*entry
	for sum := 0; len(j.waiting) > 0 && sum < batchSize; j.waiting = j.waiting[1:] {
		sum += j.waiting[0].length()
		batch = append(batch, j.waiting[0])
	}
	j.mu.Unlock()
	begin := time.Now()
	err := j.write(batch)
	j.mu.Lock()
	j.took, j.crowd = time.Since(begin), len(batch)+len(j.waiting)
	for _, e := range batch {
		e.text, e.content = nil, nil // it is on the disk, or its sender has it
		if e.ended, e.err = true, err; err == nil {
			j.live[e.envelope.ID] = e
		}
	}
	j.writing = false
	j.turn.Broadcast()
}

// gather waits a little for those who wrote the last time: they have heard of it
// and are about to come again, and would wait for two syncs otherwise. Whoever
// is alone waits for nobody.
func (j *journal) gather() {
	for end := time.Now().Add(min(j.took/4, longestGather)); len(j.waiting) < j.crowd && time.Now().Before(end); {
		j.mu.Unlock()
		time.Sleep(min(j.took/16, longestGather))
		j.mu.Lock()
	}
}

// write makes a batch durable. It begins with a block of its own: one that is
// durable already is never written again.
func (j *journal) write(batch []*entry) error {
	if j.broken {
		return errBroken
	}
	length := int64(0)
	for _, e := range batch {
		length += int64(e.length())
	}
	if j.torn || j.tail+padded(length) > journalSize {
		if err := j.empty(); err != nil {
			return err
		}
	}
	text := make([]byte, 0, padded(length))
	for _, e := range batch {
		e.generation, e.at = j.generation, j.tail+int64(len(text))
		text = e.append(text, j.generation)
	}
	end := j.tail + padded(length)
	written := end
	if written > j.size {
		written = min((end+growth-1)/growth*growth, journalSize)
	}
	text = append(text, make([]byte, written-j.tail-int64(len(text)))...)
	if _, err := j.file.WriteAt(text, j.tail); err != nil {
		j.torn = true
		return err
	}
	j.size = max(j.size, written)
	if err := j.sync(); err != nil {
		j.give(batch)
		return err
	}
	j.tail = end
	return nil
}

// give says of a batch that may be on the disk or not that it is none.
func (j *journal) give(batch []*entry) {
	for _, e := range batch {
		j.finished(e)
	}
}

// sync makes the file durable. Once that has failed nothing more is written to
// it: the kernel may have thrown away what it could not write.
func (j *journal) sync() error {
	if err := syscall.Fdatasync(int(j.file.Fd())); err != nil {
		j.broken = true
		return fmt.Errorf("syncing the journal: %w", err)
	}
	return nil
}

// empty settles all messages and begins again.
func (j *journal) empty() error {
	j.mu.Lock()
	list := slices.Collect(maps.Values(j.live))
	j.mu.Unlock()
	if err := j.settle(list); err != nil {
		return err
	}
	return j.reset()
}

// reset forgets all records. Their messages have files of their own, or are
// finished.
func (j *journal) reset() error {
	if j.broken {
		return errBroken
	}
	generation := newGeneration()
	if _, err := j.file.WriteAt(header(generation), 0); err != nil {
		return err
	}
	if err := j.sync(); err != nil {
		return err
	}
	j.mu.Lock()
	j.generation, j.tail, j.size, j.torn = generation, block, max(j.size, block), false
	clear(j.live)
	j.mu.Unlock()
	return j.done.Truncate(0)
}

// close empties the journal, so that what the spool holds can be read by those
// who know none, and gives the files back.
func (j *journal) close() error {
	j.mu.Lock()
	for j.writing {
		j.turn.Wait()
	}
	j.writing = true // for good
	j.mu.Unlock()
	return errors.Join(j.empty(), j.file.Close(), j.done.Close())
}

// lookup is the entry of a message that is in the journal, or nil.
func (j *journal) lookup(id string) *entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.live[id]
}

// drop lets go of a message that is finished.
func (j *journal) drop(e *entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if id := e.envelope.ID; j.live[id] == e {
		delete(j.live, id)
	}
}

// doneDelay is how long a power cut may take back that a message is finished,
// which costs a look for it where it was delivered.
const doneDelay = time.Second

// finished notes that nothing is left to do for a message. It comes before the
// message's files go.
func (j *journal) finished(e *entry) {
	if _, err := j.done.WriteString(doneLine(e.generation, e.at)); err != nil && !errors.Is(err, fs.ErrClosed) {
		j.log.Warn("that a mail was delivered could not be noted", "error", withoutPath(err))
	}
	if j.lazy.CompareAndSwap(false, true) {
		time.AfterFunc(doneDelay, func() {
			j.lazy.Store(false)
			j.done.Sync()
		})
	}
}
