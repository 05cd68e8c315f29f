package config

import (
	"crypto/sha256"
	"maps"
	"path/filepath"
	"slices"
)

// read returns the text of a file, and notes that it was read.
func (l *loader) read(path string) ([]byte, error) {
	text, err := readFile(path)
	name, elsewhere := filepath.Rel(l.paths.Etc, path)
	if err == nil && elsewhere == nil {
		l.files[name] = sha256.Sum256(text)
	}
	return text, err
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
