package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// inMemory is how much of a draft needs no file. Most mail is shorter, and the
// final file is written once.
const inMemory = 256 << 10

// Draft collects the content of a message that is not accepted yet.
type Draft struct {
	dir    string
	memory bytes.Buffer
	file   *os.File // nil until the content is too long for the memory
	size   int64
}

// Draft returns an empty draft. Close it in any case.
func (s *Spool) Draft() *Draft { return &Draft{dir: s.dir} }

// Write appends to the draft. Its error wraps ErrFull if the disk is full.
func (d *Draft) Write(p []byte) (int, error) {
	w := io.Writer(&d.memory)
	if d.file != nil || d.memory.Len()+len(p) > inMemory {
		if err := d.spill(); err != nil {
			return 0, fmt.Errorf("keeping a message: %w", classify(err))
		}
		w = d.file
	}
	n, err := w.Write(p)
	d.size += int64(n)
	if err != nil {
		err = fmt.Errorf("keeping a message: %w", classify(err))
	}
	return n, err
}

// spill moves the draft to a file that has no name any more when it is open.
func (d *Draft) spill() error {
	if d.file != nil {
		return nil
	}
	f, err := os.CreateTemp(d.dir, newPrefix+"draft-")
	if err != nil {
		return err
	}
	_, err = f.Write(d.memory.Bytes())
	if err := errors.Join(err, os.Remove(filepath.Join(d.dir, filepath.Base(f.Name())))); err != nil {
		return errors.Join(err, f.Close())
	}
	d.file = f
	d.memory = bytes.Buffer{}
	return nil
}

// Size is the number of bytes so far.
func (d *Draft) Size() int64 { return d.size }

// Reader reads the draft from its beginning. One Reader is used at a time, and
// nothing is written meanwhile.
func (d *Draft) Reader() (io.Reader, error) {
	if d.file == nil {
		return bytes.NewReader(d.memory.Bytes()), nil
	}
	return io.NewSectionReader(d.file, 0, d.size), nil
}

// Close gives the room back.
func (d *Draft) Close() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}
