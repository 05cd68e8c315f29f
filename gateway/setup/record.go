package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tunic/gateway/durable"
)

// Record is what was there before a setup, kept until the next one. It holds whole
// files, so it is for root alone.
type Record struct {
	Confirmed bool      `json:"confirmed"`
	Plain     bool      `json:"plain"`    // without a confirmation, and no matter of tunic's units
	Guarded   bool      `json:"guarded"`  // tunic's rules were in force
	Deadline  time.Time `json:"deadline"` // of the confirmation
	Files     []Before  `json:"files"`
	Units     []Unit    `json:"units"`
	Timers    []string  `json:"timers"` // that take it back, the last is in force
	Enable    []string  `json:"enable"` // units that start at boot once it is confirmed
	Disable   []string  `json:"disable"`
}

// Before is a file as it was before a setup, and as the setup has left it.
type Before struct {
	Path  string      `json:"path"`
	There bool        `json:"there"`
	Link  string      `json:"link,omitempty"` // to which it was a symbolic link; a setup writes a file in its place
	Mode  fs.FileMode `json:"mode"`
	Text  []byte      `json:"text"`
	After []byte      `json:"after"` // nil: another program writes it
}

// Unit is how a unit of systemd was.
type Unit struct {
	Name    string `json:"name"`
	Active  bool   `json:"active"`
	Enabled bool   `json:"enabled"`
}

// Journal keeps the record in a directory.
type Journal struct{ Dir string }

// ErrNoSetup is returned where nothing can be confirmed or taken back.
var ErrNoSetup = errors.New("no setup was made on this box, or it was taken back")

func (j Journal) path() string { return filepath.Join(j.Dir, "last.json") }

// Lock keeps everybody else out, the timer that takes a setup back among them,
// until release is called.
func (j Journal) Lock() (release func(), err error) {
	if err := durable.MkdirAll(j.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the setup: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(j.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the setup: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the setup: %w", err), f.Close())
	}
	return func() { f.Close() }, nil
}

// Load returns the record of the last setup, or ErrNoSetup.
func (j Journal) Load() (*Record, error) {
	text, err := os.ReadFile(j.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoSetup
	}
	r := new(Record)
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was there before the setup: %w", err)
	}
	return r, nil
}

func (j Journal) save(r *Record) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = durable.Write(j.path(), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing down what was there before the setup: %w", err)
	}
	return nil
}

func (j Journal) remove() error {
	err := durable.Remove(j.path())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// remember reads a file that is about to be written.
func remember(f File) (Before, error) {
	b := Before{Path: f.Path, After: f.Text}
	info, err := os.Stat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err == nil {
		b.There, b.Mode = true, info.Mode().Perm()
		b.Text, err = os.ReadFile(f.Path)
	}
	if err != nil {
		return b, fmt.Errorf("reading %s: %w", f.Path, err)
	}
	if to, err := os.Readlink(f.Path); err == nil {
		b.Link = to
	}
	return b, nil
}

// restore puts a file back. What somebody has changed since is kept beside it,
// under the name that is returned.
func (b Before) restore() (kept string, err error) {
	now, err := os.ReadFile(b.Path)
	gone := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !gone:
		return "", fmt.Errorf("putting %s back: %w", b.Path, err)
	case gone && !b.There, !gone && b.There && b.Link == "" && bytes.Equal(now, b.Text):
		return "", nil
	case !gone && b.After != nil && !bytes.Equal(now, b.After) && !bytes.Equal(now, b.Text):
		kept = b.Path + ".undone"
		if err := durable.Write(kept, now, 0o600); err != nil {
			return "", fmt.Errorf("keeping %s: %w", b.Path, err)
		}
	}
	switch {
	case !b.There:
		return kept, durable.Remove(b.Path)
	case b.Link != "":
		return kept, b.relink()
	}
	return kept, durable.Write(b.Path, b.Text, b.Mode)
}

// relink makes a symbolic link of what a setup has written in its place. What the
// link leads to no setup has changed.
func (b Before) relink() error {
	if to, err := os.Readlink(b.Path); err == nil && to == b.Link {
		return nil
	}
	aside := b.Path + ".link"
	if err := os.Symlink(b.Link, aside); err != nil {
		return fmt.Errorf("putting %s back: %w", b.Path, err)
	}
	return durable.Rename(aside, b.Path)
}
