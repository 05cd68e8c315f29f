package gopher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

const (
	mapName    = "gophermap"
	searchName = "search"

	// maxEntries bounds the menu of one directory.
	maxEntries = 10_000
)

// open opens a file or directory below the root; anything else (a pipe, a
// device, a socket) is refused. Looking before opening spares a device from
// being touched; not blocking is for what is put there in between.
func (s *Server) open(name string) (*os.File, fs.FileInfo, error) {
	switch info, err := s.root.Stat(name); {
	case err != nil:
		return nil, nil, err
	case !servable(info.Mode()):
		return nil, nil, errNotServable
	}
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !servable(info.Mode()) {
		err = errNotServable
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// errNotServable is returned by open for what may block or do something.
var errNotServable = errors.New("neither a file nor a directory")

func servable(m fs.FileMode) bool { return m.IsRegular() || m.IsDir() }

// directory sends the menu of a directory: its gophermap if it has one, else
// what is in it.
func (s *Server) directory(ctx context.Context, name string, dir *os.File, m *menu) error {
	if f, info, err := s.open(path.Join(name, mapName)); err == nil {
		defer f.Close()
		if info.Mode().IsRegular() {
			return s.writeMap(ctx, m, f, name)
		}
	}
	entries, more, err := s.list(ctx, name, dir)
	if err != nil {
		s.refuse(m, name, err)
		return nil
	}
	s.writeEntries(m, name, entries, more)
	if name == "." && !slices.ContainsFunc(entries, func(e entry) bool { return e.name == searchName }) {
		m.item(kindSearch, "Search", selectorOf(searchName))
	}
	if name == "." && !slices.ContainsFunc(entries, func(e entry) bool { return e.name == friendsName }) {
		m.offerFriends()
	}
	m.end()
	return nil
}

func (s *Server) writeEntries(m *menu, name string, entries []entry, more bool) {
	for _, e := range entries {
		m.item(e.kind, e.name, selectorOf(path.Join(name, e.name)))
	}
	if more {
		m.info(fmt.Sprintf("There is more: this menu ends after %d entries.", s.entries))
	}
}

// writeList sends what is in a directory, as far as its map shows it.
func (s *Server) writeList(ctx context.Context, m *menu, name string, w *mapping) error {
	dir, info, err := s.open(name)
	if err != nil || !info.IsDir() {
		return err
	}
	defer dir.Close()
	entries, more, err := s.list(ctx, name, dir)
	if err == nil {
		s.writeEntries(m, name, w.keep(entries), more)
	}
	return err
}

// entry is one line of a directory's menu.
type entry struct {
	kind kind
	name string
}

// list returns what a directory shows, directories first, and whether it holds
// more than that.
func (s *Server) list(ctx context.Context, name string, dir *os.File) (entries []entry, more bool, err error) {
	found, err := dir.ReadDir(s.entries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, fmt.Errorf("reading a directory: %w", err)
	}
	if len(found) > s.entries {
		found, more = found[:s.entries], true
	}
	for _, d := range found {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		full := path.Join(name, d.Name())
		if hidden(d.Name()) || len(selectorOf(full))+len("\r\n") >= maxRequest {
			continue
		}
		if k, ok := s.announce(full, d.Type()); ok {
			entries = append(entries, entry{k, d.Name()})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(rank(a.kind), rank(b.kind)), strings.Compare(a.name, b.name))
	})
	return entries, more, nil
}

// rank sorts directories before all else.
func rank(k kind) int {
	if k == kindMenu {
		return 0
	}
	return 1
}

// hidden reports whether a directory's menu leaves a name out.
func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || name == mapName || hasControl(name)
}

// announce returns the kind of what can be served; it is false for what
// cannot, like a symbolic link that leads out of the root. The mode is what
// the directory says of it.
func (s *Server) announce(name string, mode fs.FileMode) (kind, bool) {
	if mode&fs.ModeSymlink != 0 {
		info, err := s.root.Stat(name)
		if err != nil {
			return 0, false
		}
		mode = info.Mode()
	}
	switch {
	case !servable(mode):
		return 0, false
	case mode.IsDir():
		return kindMenu, true
	}
	if k, ok := kindByName(name); ok {
		return k, true
	}
	f, _, err := s.open(name)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	k, err := kindOf(name, f)
	return k, err == nil
}

// selectorOf is the selector of a path below the root.
func selectorOf(name string) string { return "/" + strings.TrimPrefix(name, ".") }
