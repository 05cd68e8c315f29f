package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"tunic/gateway/durable"
)

// Commit accepts a message: head and the draft's bytes are its content. When it
// returns nil the message is on the disk, and so is that it has come in
// (e.Seen). With an ID that the spool holds already it does nothing, so that a
// step that is repeated after a crash makes no second message. It sets e.Size.
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
	if err := s.accept(e, text, head, body); err != nil {
		s.remove(e.ID)
		return fmt.Errorf("writing to the spool: %w", classify(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envelopes[e.ID] = e.clone()
	return nil
}

// accept makes a message durable: in the journal if it is short.
func (s *Spool) accept(e *Envelope, text []byte, head string, body *Draft) error {
	if body.file == nil && e.Size+int64(len(text)) < maxRecord {
		content := append([]byte(head), body.memory.Bytes()...)
		err := s.write(e, text, content)
		if err == nil {
			s.ledger.note(e.Seen, e.Arrived)
		}
		if !errors.Is(err, errBroken) {
			return err
		}
	}
	r, err := body.Reader()
	if err != nil {
		return err
	}
	if err := writeSynced(s.path(e.ID, contentSuffix), io.MultiReader(strings.NewReader(head), r)); err != nil {
		return err
	}
	if err := s.writeEnvelope(e.ID, text); err != nil {
		return err
	}
	if err := durable.SyncDir(s.dir); err != nil {
		return err
	}
	return s.ledger.Add(e.Seen, e.Arrived)
}

// write puts a message into the journal, and its content into a file that need
// not survive: the journal makes it again.
func (s *Spool) write(e *Envelope, text, content []byte) error {
	if err := os.WriteFile(s.path(e.ID, contentSuffix), content, fileMode); err != nil { // first: here the disk is full
		return err
	}
	return s.journal.add(&entry{record: record{envelope: e.clone(), text: text, content: content}})
}

// writeEnvelope makes or replaces the envelope file of a message.
func (s *Spool) writeEnvelope(id string, text []byte) error {
	tmp := filepath.Join(s.dir, newPrefix+id+envelopeSuffix)
	if err := writeSynced(tmp, bytes.NewReader(text)); err != nil {
		return err
	}
	return os.Rename(tmp, s.path(id, envelopeSuffix))
}

// Durable makes a message's file survive a power cut by itself, so that it can
// get another name (Path).
func (s *Spool) Durable(id string) error {
	e := s.journal.lookup(id)
	if e == nil {
		return nil
	}
	s.files.Lock()
	synced := e.synced
	s.files.Unlock()
	if synced {
		return nil
	}
	if err := syncFile(s.path(id, contentSuffix)); err != nil {
		return fmt.Errorf("syncing a message of the spool: %w", classify(err))
	}
	s.files.Lock()
	defer s.files.Unlock()
	e.synced = true
	return nil
}

// Update changes the envelope of a message by change, and writes it. A failure
// to write is no failure to remember: the change holds until the process ends,
// and after a crash a step is done again. An envelope that is Done is not
// written: whoever asks removes the message next. It returns the envelope as it
// is now.
func (s *Spool) Update(id string, change func(*Envelope)) (*Envelope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.envelopes[id]
	if e == nil {
		return nil, ErrUnknown
	}
	change(e)
	if e.Done() {
		return e.clone(), nil
	}
	if err := s.update(e); err != nil {
		s.log.Warn("an envelope could not be written", "error", withoutPath(err))
	}
	return e.clone(), nil
}

// update writes a changed envelope. That of a message of the journal becomes
// the one that counts.
func (s *Spool) update(e *Envelope) error {
	if err := s.Durable(e.ID); err != nil {
		return err
	}
	entry := s.journal.lookup(e.ID)
	text, err := encodeFile(e, entry != nil)
	if err != nil {
		return err
	}
	s.files.Lock()
	defer s.files.Unlock()
	if err := s.writeEnvelope(e.ID, text); err != nil {
		return err
	}
	if entry != nil {
		entry.settled = true
	}
	return nil
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
	s.files.Lock()
	defer s.files.Unlock()
	if e := s.journal.lookup(id); e != nil {
		s.journal.finished(e)
		e.gone = true
		s.journal.drop(e)
	}
	return s.unlink(id)
}
