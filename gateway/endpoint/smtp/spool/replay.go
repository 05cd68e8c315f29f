package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"tunic/gateway/durable"
)

// replay gives the messages of the journal files of their own again, and then
// forgets them. It is called before the spool holds anything. Whenever a replay ends
// early, the next does the same again.
func (s *Spool) replay(bad string) error {
	file, err := io.ReadAll(io.NewSectionReader(s.journal.file, 0, journalSize))
	if err != nil {
		return err
	}
	lines, err := io.ReadAll(s.journal.done)
	if err != nil {
		return err
	}
	generation, records, ok := scan(file)
	if !ok && len(bytes.Trim(file, "\x00")) > 0 {
		if err := s.keepJournal(bad, file); err != nil {
			return err
		}
	}
	s.journal.size = int64(len(file))
	if err := s.takeBack(records, doneIn(lines, generation), bad); err != nil {
		return err
	}
	if err := errors.Join(durable.SyncDir(s.dir), s.ledger.sync()); err != nil {
		return err
	}
	return errors.Join(s.journal.reset(), durable.SyncDir(filepath.Dir(s.dir)))
}

// keepJournal puts a file aside that cannot be read.
func (s *Spool) keepJournal(bad string, file []byte) error {
	s.log.Error("the journal of the mail spool cannot be read and was put aside in the directory bad")
	if err := durable.MkdirAll(bad, dirMode); err != nil {
		return err
	}
	return durable.Write(filepath.Join(bad, fmt.Sprintf("journal-%d", time.Now().UnixNano())), file, 0o600)
}

// takeBack restores what is not finished. Those that are go first: a step that
// was repeated may have given its message the same ID.
func (s *Spool) takeBack(records []record, done map[int64]bool, bad string) error {
	var open []*record
	for i := range records {
		r := &records[i]
		known := s.ledger.has(takenOver(r.envelope.ID)) // by a version that knows no journal
		s.ledger.note(r.envelope.Seen, time.Now())
		switch {
		case done[r.at]:
			if err := s.unlink(r.envelope.ID); err != nil {
				return err
			}
		case !known:
			open = append(open, r)
		}
	}
	return inParallel(open, func(r *record) error { return s.restore(r, bad) })
}

// restore makes a message's files durable. An envelope file that is there
// already is a newer one.
func (s *Spool) restore(r *record, bad string) error {
	id := r.envelope.ID
	_, err := readEnvelope(s.path(id, envelopeSuffix))
	if err != nil && time.Since(r.envelope.Arrived) > (keepDays-1)*24*time.Hour { // the ledger may not know any more who took it over
		s.log.Error("a message of the spool is too old to be known and was put aside in the directory bad", "id", id)
		if err := durable.MkdirAll(bad, dirMode); err != nil {
			return err
		}
		return durable.Write(filepath.Join(bad, id+contentSuffix), r.content, 0o600)
	}
	if err := s.restoreContent(id, r.content); err != nil {
		return err
	}
	if err == nil {
		return nil
	}
	text, err := encodeFile(r.envelope, true)
	if err != nil {
		return err
	}
	return s.writeEnvelope(id, text)
}

// restoreContent writes a message's content, where it is not all there.
func (s *Spool) restoreContent(id string, content []byte) error {
	path := s.path(id, contentSuffix)
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, content) {
		return syncFile(path)
	}
	tmp := filepath.Join(s.dir, newPrefix+id+contentSuffix)
	if err := writeSynced(tmp, bytes.NewReader(content)); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
