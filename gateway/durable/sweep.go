package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Unfinished begins the names of what is being written: digits follow. A file,
// or a directory of keys, gets its own name when it is whole.
const Unfinished = ".new-"

// Sweep takes away what writers left in a directory that did not live to the
// end: names of Unfinished, or hidden ones of a file with this suffix (".toml":
// ".photos.toml.123"), that are older than the given moment. It looks at
// nothing else and goes into no directory. It returns how many it took away;
// that there is no such directory is no error.
func Sweep(dir, suffix string, before time.Time) (int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	swept := 0
	for _, e := range entries {
		info, infoErr := e.Info()
		if infoErr != nil || !isTemporary(e.Name(), suffix) || !info.ModTime().Before(before) {
			continue // it may just have got its name
		}
		if e := os.RemoveAll(filepath.Join(dir, e.Name())); e != nil {
			err = errors.Join(err, e)
			continue
		}
		swept++
	}
	if swept > 0 {
		err = errors.Join(err, SyncDir(dir))
	}
	return swept, err
}

// isTemporary reports whether a name is one that os.CreateTemp or os.MkdirTemp
// made for a writer of ours.
func isTemporary(name, suffix string) bool {
	if rest, ok := strings.CutPrefix(name, Unfinished); ok {
		return digits(rest)
	}
	begin, end, ok := strings.Cut(name, suffix+".")
	return suffix != "" && ok && len(begin) > 1 && begin[0] == '.' && digits(end)
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
