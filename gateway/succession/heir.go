package succession

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"tunic/gateway/link"
)

// Heir is the new daemon's end.
type Heir struct {
	end *link.End

	asked atomic.Bool // whether it may have the place

	mu    sync.Mutex
	files map[string]*os.File
}

// NewHeir returns the heir behind an inherited descriptor. Without the old daemon it
// cannot be, until it works: gone is called then.
func NewHeir(ctx context.Context, f *os.File, gone func()) (*Heir, error) {
	conn, err := link.FromFile(f)
	if err != nil {
		return nil, err
	}
	h := &Heir{files: make(map[string]*os.File)}
	h.end = link.NewEnd(conn, &link.Mux{Take: h.take})
	go func() {
		_ = h.end.Run(ctx) // whatever it is, there is nobody any more
		if !h.asked.Load() {
			gone()
		}
	}()
	return h, nil
}

func (h *Heir) take(name string, f *os.File) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files[name] = f
	return nil
}

// Take asks for everything. From the answer on the old daemon touches nothing.
func (h *Heir) Take(ctx context.Context, version string) (Estate, error) {
	raw, err := link.Ask(ctx, h.end, link.TakeOver, version)
	if err != nil {
		return Estate{}, fmt.Errorf("taking over from the version that runs: %w", err)
	}
	var e Estate
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("understanding the version that runs: %w", err)
	}
	return e, nil
}

// File returns a descriptor that was handed over, which is the caller's then; nil: it
// was not.
func (h *Heir) File(name string) *os.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.files[name]
	delete(h.files, name)
	return f
}

// Files returns the descriptors whose names begin with prefix, by the rest of it.
func (h *Heir) Files(prefix string) map[string]*os.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := make(map[string]*os.File)
	for name, f := range h.files {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			found[rest] = f
			delete(h.files, name)
		}
	}
	return found
}

// Works tells the old daemon to leave, and returns when it has let go of everything.
func (h *Heir) Works(ctx context.Context) error {
	h.asked.Store(true) // from here on the answer says what is so
	_, err := link.Ask(ctx, h.end, link.Works, struct{}{})
	h.end.Close()
	return err
}

// GiveUp tells the old daemon why this one ends.
func (h *Heir) GiveUp(ctx context.Context, why error) {
	_, _ = link.Ask(ctx, h.end, link.GivesUp, why.Error()) // it ends in any case
}
