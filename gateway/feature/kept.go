package feature

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"tunic/gateway/durable"
)

// Kept is a small state of a feature, in memory and in one file of JSON that root
// alone can read. The loop changes it; others read it beside.
type Kept[T any] struct {
	path string
	what string // in errors

	mu    sync.Mutex
	value T
}

// Keep returns what is kept in a file, called what in errors.
func Keep[T any](path, what string) *Kept[T] { return &Kept[T]{path: path, what: what} }

// Path is the file's.
func (k *Kept[T]) Path() string { return k.path }

// Load reads the file. One that is not there is the zero value, and what cannot be
// read changes nothing.
func (k *Kept[T]) Load() error {
	raw, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var value T
	if err == nil {
		err = json.Unmarshal(raw, &value)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %s: %w", k.what, k.path, err)
	}
	k.Set(value)
	return nil
}

// Get returns the value.
func (k *Kept[T]) Get() T {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.value
}

// Set takes a value whose file is there already: after a load, or when an edit was
// undone.
func (k *Kept[T]) Set(value T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.value = value
}

// Write keeps another value. If it cannot be kept nothing changes.
func (k *Kept[T]) Write(value T) error {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err == nil {
		err = durable.Write(k.path, append(raw, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", k.what, err)
	}
	k.Set(value)
	return nil
}
