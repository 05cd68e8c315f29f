package supervise

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// Bounds of what is kept of a child's output: enough to see why it ended, and
// no way for it to fill the memory.
const (
	tailLines = 40 // tor says one for each listener that it closes after the one that it could not open
	lineBytes = 400
)

// output is the writer behind a child's standard and error output. It cuts
// what it gets into lines and keeps the last of them.
type output struct {
	line func(string) // may be nil

	mu      sync.Mutex
	partial []byte // of the line that has no end yet, at most lineBytes
	tail    []string
}

// Write takes any piece of output. It never fails, so the child never sees a
// broken pipe while the daemon lives.
func (o *output) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		piece, after, ended := bytes.Cut(rest, []byte{'\n'})
		o.add(piece)
		if ended {
			o.flush()
		}
		rest = after
	}
	return len(p), nil
}

func (o *output) add(piece []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room := lineBytes - len(o.partial)
	o.partial = append(o.partial, piece[:min(room, len(piece))]...)
}

// flush ends the current line. Empty lines are dropped; bytes that are no
// printable text are replaced, since lines end up on people's terminals.
func (o *output) flush() {
	o.mu.Lock()
	text := strings.TrimSpace(strings.Map(printable, strings.ToValidUTF8(string(o.partial), "?")))
	o.partial = o.partial[:0]
	if text != "" {
		if len(o.tail) == tailLines {
			o.tail = slices.Delete(o.tail, 0, 1)
		}
		o.tail = append(o.tail, text)
	}
	o.mu.Unlock()
	if text != "" && o.line != nil {
		o.line(text)
	}
}

func (o *output) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.tail)
}

func printable(r rune) rune {
	if r < ' ' || (r >= 0x7f && r < 0xa0) {
		return ' '
	}
	return r
}
