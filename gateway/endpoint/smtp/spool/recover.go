package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxEnvelope bounds an envelope file: a thousand recipients with their
// reasons fit twice.
const maxEnvelope = 2 << 20

// recover reads what a former process left.
func (s *Spool) recover(bad string) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if id, ok := strings.CutSuffix(name, envelopeSuffix); ok && !strings.HasPrefix(name, newPrefix) {
			if err := s.load(id, bad); err != nil {
				return err
			}
		}
	}
	for _, e := range s.envelopes { // accepted just before the power went, maybe
		s.ledger.note(e.Seen, time.Now())
	}
	return errors.Join(s.sweep(entries), s.ledger.sync())
}

// load takes a message over. What was delivered before the crash goes.
func (s *Spool) load(id, bad string) error {
	e, err := readEnvelope(s.path(id, envelopeSuffix))
	if err == nil && e.ID != id {
		err = fmt.Errorf("%w: it has another's name", errEnvelope)
	}
	if err == nil {
		_, err = os.Stat(s.path(id, contentSuffix))
	}
	switch {
	case err != nil:
		s.log.Error("a message of the spool cannot be read and was put aside", "id", id, "error", withoutPath(err))
		return s.putAside(id, bad)
	case e.Done():
		return s.unlink(id)
	}
	s.envelopes[id] = e
	return nil
}

func readEnvelope(path string) (*Envelope, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxEnvelope))
	if err != nil {
		return nil, err
	}
	return decode(text)
}

func (s *Spool) putAside(id, bad string) error {
	if err := os.MkdirAll(bad, dirMode); err != nil {
		return err
	}
	for _, suffix := range []string{contentSuffix, envelopeSuffix} {
		err := os.Rename(s.path(id, suffix), filepath.Join(bad, id+suffix))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// sweep removes files that no message needs.
func (s *Spool) sweep(entries []fs.DirEntry) error {
	for _, entry := range entries {
		id, content := strings.CutSuffix(entry.Name(), contentSuffix)
		if !strings.HasPrefix(entry.Name(), newPrefix) && (!content || s.envelopes[id] != nil) {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
