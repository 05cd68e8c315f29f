package managed

import (
	"slices"
	"sync"
)

// ringLines is what is kept of a server's log, in memory alone.
const ringLines = 200

// ring holds the last lines of a server's output, over its restarts.
type ring struct {
	mu    sync.Mutex
	lines []string
}

func (r *ring) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) == ringLines {
		r.lines = slices.Delete(r.lines, 0, 1)
	}
	r.lines = append(r.lines, line)
}

func (r *ring) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}
