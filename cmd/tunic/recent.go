package main

import (
	"bytes"
	"slices"
	"sync"
)

// Bounds of what the page shows of the daemon's log.
const (
	recentLines = 200
	recentWidth = 400
)

// recent has the last lines of a log, in memory alone.
type recent struct {
	mu    sync.Mutex
	lines []string
	rest  []byte // a line that has no end yet
}

// Write implements io.Writer.
func (r *recent) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append(r.rest, text...)
	for {
		line, rest, whole := bytes.Cut(all, []byte("\n"))
		if !whole {
			r.rest = append([]byte{}, line[max(0, len(line)-recentWidth):]...)
			return len(text), nil
		}
		if len(r.lines) == recentLines {
			r.lines = slices.Delete(r.lines, 0, 1)
		}
		r.lines = append(r.lines, string(line[:min(len(line), recentWidth)]))
		all = rest
	}
}

// Lines are the last ones, the oldest first. Nobody's log has none.
func (r *recent) Lines() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}
