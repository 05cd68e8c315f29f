package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"tunic/gateway/durable"
)

// abreast is how many files are synced at a time: the file system makes one
// write of what it is asked for together.
const abreast = 16

// settle gives messages of the journal files of their own that survive without
// it. From then on it is not needed.
func (s *Spool) settle(list []*entry) error {
	err := inParallel(list, s.settleOne)
	if err == nil {
		err = durable.SyncDir(s.dir)
	}
	if err == nil {
		err = s.ledger.sync()
	}
	return err
}

// settleOne writes the envelope file of a message, as it is by now, unless
// somebody has written a newer one or removed the message.
func (s *Spool) settleOne(e *entry) error {
	if !s.unsettled(e) {
		return nil
	}
	id := e.envelope.ID
	if err := s.Durable(id); err != nil && s.unsettled(e) {
		return err
	}
	now, err := s.Get(id)
	if err != nil {
		now = e.envelope // its Commit has not gone on yet
	}
	text, err := encodeFile(now, true)
	if err != nil {
		return err
	}
	tmp := filepath.Join(s.dir, newPrefix+id+".settling")
	if err := writeSynced(tmp, bytes.NewReader(text)); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	s.files.Lock()
	defer s.files.Unlock()
	if e.settled || e.gone {
		return os.Remove(tmp)
	}
	e.settled = true
	return os.Rename(tmp, s.path(id, envelopeSuffix))
}

// unsettled reports whether a message still has no envelope file and needs one.
func (s *Spool) unsettled(e *entry) bool {
	s.files.Lock()
	defer s.files.Unlock()
	return !e.settled && !e.gone
}

// inParallel calls do for each of a list, a few at a time.
func inParallel[T any](list []T, do func(T) error) error {
	var all sync.WaitGroup
	errs := make([]error, min(abreast, len(list)))
	for k := range errs {
		all.Go(func() {
			for i := k; i < len(list); i += len(errs) {
				errs[k] = errors.Join(errs[k], do(list[i]))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
