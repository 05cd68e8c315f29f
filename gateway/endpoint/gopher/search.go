package gopher

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Bounds of a search: what a small box does in a second or two.
const (
	maxSearches   = 2        // at one time
	maxWords      = 8        // that are looked for
	maxResults    = 200      // lines of an answer
	maxVisited    = 20_000   // names that are looked at
	maxSearchFile = 1 << 20  // bytes of a file that is looked into
	maxSearchRead = 32 << 20 // bytes of all of them
	searchTime    = 20 * time.Second
)

// errEnough ends a search that has reached one of its bounds.
var errEnough = errors.New("enough was searched")

// errBusy is for a search that had to wait too long for others.
var errBusy = errors.New("too many searches")

// search answers with a menu of the files and directories that have all words
// in their name or, for texts, inside.
func (s *Server) search(ctx context.Context, words string, m *menu) error {
	wanted := splitWords(words)
	if len(wanted) == 0 {
		m.fail("name the words to search for")
		return nil
	}
	found, err := s.hunt(ctx, wanted)
	if errors.Is(err, errBusy) {
		m.fail("too many searches at this time, try again later")
		return nil
	}
	for _, f := range found {
		m.item(f.kind, f.name, selectorOf(f.name))
	}
	if len(found) == 0 {
		m.info("Nothing was found.")
	}
	if err != nil {
		m.info("The search ended before everything was looked at.")
	}
	m.end()
	return nil
}

// hunt looks for the words. Others may search before the answer is sent: how
// fast its reader takes it is for the reader to choose.
func (s *Server) hunt(ctx context.Context, wanted [][]byte) ([]find, error) {
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	case <-ctx.Done():
		return nil, errBusy
	}
	h := &hunt{server: s, wanted: wanted}
	err := fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		return h.visit(ctx, name, d, err)
	})
	return h.found, err
}

// splitWords returns the different words in lower case, at most maxWords.
func splitWords(text string) [][]byte {
	words := slices.Sorted(slices.Values(strings.Fields(strings.ToLower(text))))
	words = slices.Compact(words)
	var list [][]byte
	for _, w := range words[:min(len(words), maxWords)] {
		list = append(list, []byte(w))
	}
	return list
}

// find is a line of the answer.
type find struct {
	kind kind
	name string
}

// hunt is one search under way.
type hunt struct {
	server  *Server
	wanted  [][]byte
	found   []find
	visited int
	read    int64 // bytes
}

// visit looks at one name. Symbolic links are not followed: what they lead to
// is found in its own place, or is not in the root.
func (h *hunt) visit(ctx context.Context, name string, d fs.DirEntry, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && d != nil && d.IsDir():
		return fs.SkipDir // cannot be read
	case err != nil:
		return err
	case name == ".":
		return nil
	}
	if h.visited++; h.visited > maxVisited || len(h.found) >= maxResults {
		return errEnough
	}
	switch {
	case hidden(d.Name()) && d.IsDir():
		return fs.SkipDir
	case hidden(d.Name()) || !servable(d.Type()):
		return nil
	}
	missing := without(h.wanted, []byte(strings.ToLower(path.Base(name))))
	if len(missing) > 0 && !d.IsDir() {
		missing = without(missing, h.content(name))
	}
	if len(missing) == 0 {
		h.show(name, d.Type())
	}
	if h.read >= maxSearchRead {
		return errEnough
	}
	return nil
}

// show adds a line to the answer.
func (h *hunt) show(name string, mode fs.FileMode) {
	if k, ok := h.server.announce(name, mode); ok {
		h.found = append(h.found, find{k, name})
	}
}

// without returns the words that are not in text.
func without(words [][]byte, text []byte) [][]byte {
	var missing [][]byte
	for _, w := range words {
		if !bytes.Contains(text, w) {
			missing = append(missing, w)
		}
	}
	return missing
}

// content returns a text file in lower case; nothing if it is no text, is too
// large or cannot be read.
func (h *hunt) content(name string) []byte {
	f, info, err := h.server.open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	if k, err := kindOf(name, f); err != nil || k != kindText || info.Size() > maxSearchFile {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSearchFile))
	h.read += int64(len(text))
	if err != nil {
		return nil
	}
	return bytes.ToLower(text)
}
