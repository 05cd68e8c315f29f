// Package spool keeps messages that this box has promised to deliver, in a
// directory, so that neither a killed process nor a power cut loses one or
// makes two of it.
//
// A message is two files: ID.eml, its content, which never changes, and
// ID.json, its Envelope, which changes as delivery goes on. The message is
// accepted at the moment when the envelope has its name: everything before
// that leaves a file that Open clears away, everything after is found again.
//
// Use it where "250" is to mean something. It knows nothing of SMTP, of when to
// try again, nor of who the recipients are.
package spool

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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
	err = s.recover(filepath.Join(dir, "bad"))
	if err == nil {
		s.ledger, err = openLedger(filepath.Join(dir, "seen"), time.Now())
	}
	if err == nil {
		err = s.settle()
	}
	if err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("opening the spool: %w", err)
	}
	return s, nil
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
	s.closed = true
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

// Commit accepts a message: head and the draft's bytes are its content. When it
// returns nil the message is on the disk. With an ID that the spool holds
// already it does nothing, so that a step that is repeated after a crash makes
// no second message. It sets e.Size.
func (s *Spool) Commit(e *Envelope, head string, body *Draft) error {
	s.accepting.RLock()
	defer s.accepting.RUnlock()
	if s.closed {
		return fmt.Errorf("writing to the spool: %w", os.ErrClosed)
	}
	if s.holds(e.ID) {
		return nil
	}
	e.Size = int64(len(head)) + body.Size()
	text, err := encode(e)
	if err != nil {
		return err
	}
	if err := s.write(e.ID, text, head, body); err != nil {
		s.remove(e.ID)
		return fmt.Errorf("writing to the spool: %w", classify(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envelopes[e.ID] = e.clone()
	return nil
}

// write leaves a complete message or an incomplete one that recover removes.
func (s *Spool) write(id string, envelope []byte, head string, body *Draft) error {
	r, err := body.Reader()
	if err != nil {
		return err
	}
	if err := writeSynced(s.path(id, contentSuffix), io.MultiReader(strings.NewReader(head), r)); err != nil {
		return err
	}
	tmp := filepath.Join(s.dir, newPrefix+id+envelopeSuffix)
	if err := writeSynced(tmp, strings.NewReader(string(envelope))); err != nil {
		return err
	}
	if err := os.Rename(tmp, s.path(id, envelopeSuffix)); err != nil {
		return err
	}
	return durable.SyncDir(s.dir)
}

// Update changes the envelope of a message by change, and writes it. A failure
// to write is no failure to remember: the change holds until the process ends,
// and after a crash a step is done again. It returns the envelope as it is now.
func (s *Spool) Update(id string, change func(*Envelope)) (*Envelope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.envelopes[id]
	if e == nil {
		return nil, ErrUnknown
	}
	change(e)
	text, err := encode(e)
	if err == nil {
		tmp := filepath.Join(s.dir, newPrefix+id+envelopeSuffix)
		if err = writeSynced(tmp, strings.NewReader(string(text))); err == nil {
			err = os.Rename(tmp, s.path(id, envelopeSuffix))
		}
	}
	if err != nil {
		s.log.Warn("an envelope could not be written", "error", withoutPath(err))
	}
	return e.clone(), nil
}

// Remove forgets a message. The promise goes first.
func (s *Spool) Remove(id string) error {
	s.mu.Lock()
	delete(s.envelopes, id)
	s.mu.Unlock()
	if err := s.remove(id); err != nil {
		return fmt.Errorf("removing a message from the spool: %w", withoutPath(err))
	}
	return nil
}

func (s *Spool) remove(id string) error {
	var errs []error
	for _, suffix := range []string{envelopeSuffix, contentSuffix} {
		if err := os.Remove(s.path(id, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
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

// Path is the file of a message's content, complete and synced.
func (s *Spool) Path(id string) string { return s.path(id, contentSuffix) }

// Free is the number of bytes that this user may still write to the disk.
func (s *Spool) Free() (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &st); err != nil {
		return 0, fmt.Errorf("asking for the room on the disk: %w", err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

func (s *Spool) holds(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.envelopes[id] != nil
}

func (s *Spool) path(id, suffix string) string { return filepath.Join(s.dir, id+suffix) }
