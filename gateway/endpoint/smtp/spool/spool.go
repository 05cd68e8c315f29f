// Package spool keeps messages that this box has promised to deliver, in a
// directory, so that neither a killed process nor a power cut loses one or
// makes two of it.
//
// A message is two files: ID.eml, its content, which never changes, and
// ID.json, its Envelope, which changes as delivery goes on. Where there is an
// envelope the content is durable. To sync both for each message is slow, so
// one that is not long is accepted by one sync of a file for all, the journal,
// in which content and envelope are together; its own files become durable
// only when it has to wait, when the journal is full, or at the end. What a
// crash leaves that was not accepted Open clears away, and all else is found
// again.
//
// Use it where "250" is to mean something. It knows nothing of SMTP, of when to
// try again, nor of who the recipients are.
package spool

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tunic/gateway/durable"
)

const (
	contentSuffix  = ".eml"
	envelopeSuffix = ".json"
	newPrefix      = "." // of files without a promise

	dirMode  fs.FileMode = 0o700 // the mail of everybody
	fileMode fs.FileMode = 0o660 // a delivered message is the same file, which its reader may open
)

// ErrFull is what errors wrap when the disk, or what is left for mail on it,
// is used up. Nothing was accepted, and nothing that was accepted is touched.
var ErrFull = errors.New("no room is left on the disk")

// ErrInUse is returned by Open while another process has the spool: one that
// was told to end, and is about to.
var ErrInUse = errors.New("another process still has the spool")

// ErrUnknown is returned for an ID that the spool does not hold.
var ErrUnknown = errors.New("no such message is in the queue")

// Spool is an open spool directory. It is safe for concurrent use, by one
// process at a time.
type Spool struct {
	dir    string
	log    *slog.Logger
	ledger *Ledger
	lock   *os.File

	journal *journal
	files   sync.Mutex // held while envelope files get and lose their names

	accepting sync.RWMutex // held while a message is accepted
	closed    bool

	mu        sync.Mutex
	envelopes map[string]*Envelope // as they are on the disk, or newer
}

// Open takes over the spool in dir, which is made if absent: what was half
// written is cleared away, and what cannot be understood is put aside in
// dir/bad, where its owner finds it.
func Open(dir string, log *slog.Logger) (*Spool, error) {
	s := &Spool{dir: filepath.Join(dir, "queue"), log: log, envelopes: make(map[string]*Envelope)}
	for _, d := range []string{s.dir, filepath.Join(dir, "seen")} {
		if err := durable.MkdirAll(d, dirMode); err != nil {
			return nil, fmt.Errorf("opening the spool: %w", err)
		}
	}
	var err error
	if s.lock, err = takeLock(filepath.Join(dir, "lock")); err != nil {
		return nil, fmt.Errorf("opening the spool: %w", err)
	}
	if err := s.start(dir); err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("opening the spool: %w", classify(err))
	}
	return s, nil
}

// start takes over what is there.
func (s *Spool) start(dir string) (err error) {
	if s.ledger, err = openLedger(filepath.Join(dir, "seen"), time.Now()); err != nil {
		return err
	}
	if s.journal, err = openJournal(filepath.Join(dir, "journal"), s.log); err != nil {
		return err
	}
	s.journal.settle = s.settle
	bad := filepath.Join(dir, "bad")
	if err = s.replay(bad); err == nil {
		err = s.recover(bad)
	}
	if err != nil {
		return errors.Join(err, s.journal.file.Close(), s.journal.done.Close())
	}
	return nil
}

// takeLock makes sure that nobody else writes here: what Open clears away may be
// what another process is just about to accept. The kernel lets go of the lock
// when the process ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %w", ErrInUse, err)
	}
	return f, nil
}

// Close gives the spool to whoever opens it next. Nothing is accepted any more.
func (s *Spool) Close() error {
	s.accepting.Lock()
	defer s.accepting.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := s.journal.close(); err != nil {
		s.log.Warn("the journal of the mail spool stays for the next start", "error", withoutPath(err))
	}
	return s.lock.Close()
}

// Ledger knows what has come in before.
func (s *Spool) Ledger() *Ledger { return s.ledger }

// NewID returns an ID that nobody can guess.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Get returns the envelope of a message.
func (s *Spool) Get(id string) (*Envelope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.envelopes[id]; e != nil {
		return e.clone(), nil
	}
	return nil, ErrUnknown
}

// All returns the envelopes of all messages, in no order.
func (s *Spool) All() []*Envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Envelope, 0, len(s.envelopes))
	for _, e := range s.envelopes {
		list = append(list, e.clone())
	}
	return list
}

// Size adds up what messages take on the disk, in bytes.
func (s *Spool) Size(of func(*Envelope) bool) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum int64
	for _, e := range s.envelopes {
		if of(e) {
			sum += e.Size + 2*4096 // two files
		}
	}
	return sum
}

// Content opens the content of a message.
func (s *Spool) Content(id string) (*os.File, error) {
	f, err := os.Open(s.Path(id))
	if err != nil {
		return nil, fmt.Errorf("reading a message of the spool: %w", withoutPath(err))
	}
	return f, nil
}

// Path is the file of a message's content, complete; Durable makes it survive.
func (s *Spool) Path(id string) string { return s.path(id, contentSuffix) }

// Free is the number of bytes that this user may still write to the disk.
func (s *Spool) Free() (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &st); err != nil {
		return 0, fmt.Errorf("asking for the room on the disk: %w", err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// unlink removes a message's files, the promise first.
func (s *Spool) unlink(id string) error {
	var errs []error
	for _, suffix := range []string{envelopeSuffix, contentSuffix} {
		if err := os.Remove(s.path(id, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Spool) holds(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.envelopes[id] != nil
}

func (s *Spool) path(id, suffix string) string { return filepath.Join(s.dir, id+suffix) }
