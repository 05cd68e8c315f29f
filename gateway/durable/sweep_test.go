package durable

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	start := time.Now()
	old, young := start.Add(-time.Hour), start.Add(time.Second)
	for name, at := range map[string]time.Time{
		".new-1": old, ".new-2885239007": old, ".photos.toml.77": old, // ours
		".new-3": young, ".new-": old, ".new-x1": old, "new-4": old, ".photos.toml": old, ".toml.5": old,
		"photos.toml.6": old, ".photos.toml.7a": old, ".photos.conf.8": old, "photos.toml": old,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, ".new-9", "authorized_clients"), 0o700); err != nil {
		t.Fatal(err)
	}
	os.Chtimes(filepath.Join(dir, ".new-9"), old, old)
	n, err := Sweep(dir, ".toml", start)
	if n != 4 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	entries, _ := os.ReadDir(dir)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := []string{".new-", ".new-3", ".new-x1", ".photos.conf.8", ".photos.toml", ".photos.toml.7a", ".toml.5", "new-4", "photos.toml",
		"photos.toml.6"}
	if !slices.Equal(left, want) {
		t.Errorf("left %q", left)
	}
	if n, err := Sweep(filepath.Join(dir, "absent"), "", start); n != 0 || err != nil {
		t.Errorf("an absent directory: %d, %v", n, err)
	}
}

func TestDirectories(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a", "b"), filepath.Join(dir, "c")
	if err := MkdirAll(a, 0o711); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{a, filepath.Dir(a)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o711 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if err := MkdirAll(a, 0o700); err != nil {
		t.Error(err)
	}
	if err := Write(filepath.Join(a, "key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if MkdirAll(filepath.Join(a, "key", "x"), 0o700) == nil || MkdirAll(filepath.Join(a, "key"), 0o700) == nil {
		t.Error("a file passed for a directory")
	}
	if err := Rename(a, b); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(b, "key")); err != nil {
		t.Error(err)
	}
	if Rename(a, b) == nil {
		t.Error("what is not there was moved")
	}
	if err := errors.Join(RemoveAll(b), RemoveAll(b)); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(b); err == nil {
		t.Error("it is still there")
	}
}
