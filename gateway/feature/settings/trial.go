package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
)

// trial are settings that are in force and that nobody has confirmed. It is kept in a
// file for root alone, as the configuration is in it.
type trial struct {
	feature.Span
	By    string   `json:"by"`
	Files []change `json:"files"`
}

// change is one file below the directory of the configuration; a nil text says that
// there is no such file.
type change struct {
	Name string      `json:"name"`
	Mode fs.FileMode `json:"mode"`
	Was  []byte      `json:"was"`
	Is   []byte      `json:"is"`
}

func keep(p config.Paths) *feature.Kept[trial] {
	return feature.Keep[trial](filepath.Join(p.State, "settings.json"), "settings that wait to be confirmed")
}

// on reports whether there is one.
func (t trial) on() bool { return len(t.Files) > 0 }

// paths are all that taking it back may write.
func (t trial) paths(p config.Paths) []string {
	var list []string
	for _, c := range t.Files {
		list = append(list, filepath.Join(p.Etc, c.Name), filepath.Join(p.Etc, c.Name)+undone)
	}
	return list
}

// undone ends the name of a file that somebody has changed during a trial.
const undone = ".undone"

// write makes the files what they are to be.
func (t trial) write(p config.Paths) error {
	for _, c := range t.Files {
		if err := put(filepath.Join(p.Etc, c.Name), c.Is, c.Mode); err != nil {
			return err
		}
	}
	return nil
}

func put(path string, text []byte, mode fs.FileMode) error {
	var err error
	if text == nil {
		if err = durable.Remove(path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else if err = durable.MkdirAll(filepath.Dir(path), 0o700); err == nil {
		err = durable.Write(path, text, mode)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// putBack makes the files what they were. What somebody has changed since is kept
// beside, under the names that are returned.
func (t trial) putBack(p config.Paths) (aside []string, err error) {
	for _, c := range t.Files {
		path := filepath.Join(p.Etc, c.Name)
		now, err := os.ReadFile(path)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return aside, fmt.Errorf("reading %s: %w", path, err)
		case err == nil && !bytes.Equal(now, c.Is) && !bytes.Equal(now, c.Was):
			if err := durable.Write(path+undone, now, 0o600); err != nil {
				return aside, fmt.Errorf("keeping %s: %w", path, err)
			}
			aside = append(aside, c.Name+undone)
		}
		if err := put(path, c.Was, c.Mode); err != nil {
			return aside, err
		}
	}
	return aside, nil
}

// TakeBackAtStart is for the start of a daemon: whatever ended the one before, nobody
// who was cut off can confirm what it had put in force. It changes files alone.
func TakeBackAtStart(p config.Paths, log *slog.Logger) {
	kept := keep(p)
	err := kept.Load()
	t := kept.Get()
	if err == nil && !t.on() {
		return
	}
	var aside []string
	if err == nil {
		aside, err = t.putBack(p)
	}
	if err == nil {
		err = durable.Remove(kept.Path())
	}
	if err != nil {
		log.Error("settings that nobody has confirmed could not be taken back yet", "error", err)
		return
	}
	log.Warn("settings that nobody had confirmed were taken back", "user", t.By, "aside", aside)
}
