package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Rounds are what each program gave in each round, by the name of the row and that of the
// program.
type Rounds map[string]map[string][]float64

// RoundsOf is the file with the rounds of a file of results, beside it.
func RoundsOf(path string) string { return strings.TrimSuffix(path, ".json") + "-rounds.json" }

// Read reads a file of results, and what its rounds gave; both may be missing and are
// empty then.
func Read(path string) (rows []Row, rounds Rounds, err error) {
	rounds = Rounds{}
	return rows, rounds, errors.Join(load(path, &rows), load(RoundsOf(path), &rounds))
}

func load(path string, to any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

func save(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func put(path string, r Row, seen map[string][]float64) error {
	rows, rounds, err := Read(path)
	if err != nil {
		return err
	}
	if at := slices.IndexFunc(rows, func(old Row) bool { return old.Name == r.Name }); at >= 0 {
		rows[at] = r
	} else {
		rows = append(rows, r)
	}
	rounds[r.Name] = seen
	return errors.Join(save(path, rows), save(RoundsOf(path), rounds))
}

// Keep makes rows the ones that are compared with from now on; those of other names in the
// file stay.
func Keep(path string, rows []Row) error {
	kept, _, err := Read(path)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if at := slices.IndexFunc(kept, func(old Row) bool { return old.Name == r.Name }); at >= 0 {
			kept[at] = r
		} else {
			kept = append(kept, r)
		}
	}
	return save(path, kept)
}
