package config

import (
	"crypto/sha256"
	"maps"
	"path/filepath"
	"slices"
	"sync"
)

// read returns the text of a file, and notes that it was read.
func (l *loader) read(path string) ([]byte, error) {
	f := readWithSum(path)
	l.note(f)
	return f.text, f.err
}

// note notes that a file was read.
func (l *loader) note(f fileText) {
	name, elsewhere := filepath.Rel(l.paths.Etc, f.path)
	if f.err == nil && elsewhere == nil {
		l.files[name] = f.sum
	}
}

// fileText is what a file says, or why it cannot be read.
type fileText struct {
	path string
	text []byte
	sum  [sha256.Size]byte
	err  error
}

func readWithSum(path string) fileText {
	text, err := readFile(path)
	return fileText{path, text, sha256.Sum256(text), err}
}

// readers is how many goroutines read files that may be a thousand: most of the time is the kernel's.
const readers = 2

// readAll reads files, or notes which cannot be read: what it returns are the others, in their order.
func (l *loader) readAll(paths []string) []fileText {
	list := make([]fileText, len(paths))
	var reading sync.WaitGroup
	for first := range readers {
		reading.Go(func() {
			for i := first; i < len(paths); i += readers {
				list[i] = readWithSum(paths[i])
			}
		})
	}
	reading.Wait()
	return slices.DeleteFunc(list, func(f fileText) bool {
		if f.err != nil {
			l.errs = append(l.errs, Error{File: f.path, Msg: "cannot be read: " + reason(f.err)})
		}
		l.note(f)
		return f.err != nil
	})
}

// ChangedFiles lists the files that are others in one configuration than in
// another: "+ onions/photos.toml" is new, "~ tunic.toml" has another text, and
// "- devices/tv.toml" is gone. They are sorted by name.
func ChangedFiles(before, after *Config) (list []string) {
	all := maps.Clone(after.Files)
	if all == nil {
		all = make(map[string][sha256.Size]byte)
	}
	maps.Copy(all, before.Files)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, had := before.Files[name]
		is, has := after.Files[name]
		switch {
		case !had:
			list = append(list, "+ "+name)
		case !has:
			list = append(list, "- "+name)
		case was != is:
			list = append(list, "~ "+name)
		}
	}
	return list
}
