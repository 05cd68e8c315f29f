package durable

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listing is what is in a directory, by name: mode and bytes.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		text, err2 := os.ReadFile(path)
		all[path] = info.Mode().String() + " " + string(text)
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(in("users"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"a": 0o640, "b": 0o600, "same": 0o644, "users/alice": 0o600, "users/bob": 0o600} {
		if err := Write(in(name), []byte("old "+name), mode); err != nil {
			t.Fatal(err)
		}
	}
	before := listing(t, dir)
	paths := []string{in("a"), in("b"), in("same"), in("new"), in("users"), in("nowhere/x")}
	kept, err := Keep(paths...)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{Write(in("a"), []byte("other"), 0o644), Remove(in("b")), Write(in("new"), nil, 0o644),
		Write(in("users/alice"), nil, 0o600), Remove(in("users/bob")), Write(in("users/carol"), nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := kept.PutBack(); err != nil {
		t.Fatal(err)
	}
	if after := listing(t, dir); !maps.Equal(before, after) {
		t.Errorf("put back: %q, was %q", after, before)
	}
	if kept, err = Keep(paths...); err != nil {
		t.Fatal(err)
	}
	kept.Release()
	if after := listing(t, dir); !maps.Equal(before, after) {
		t.Errorf("released: %q, was %q", after, before)
	}
}

func TestKeepFailures(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := Write(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Keep(path, filepath.Join(path, "below a file")); err == nil {
		t.Error("what cannot be looked at was kept")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left after a failure: %v", left)
	}
	kept, err := Keep(path, filepath.Join(dir, "new"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700), os.MkdirAll(filepath.Join(dir, "new", "full"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := kept.PutBack(); err == nil || !strings.Contains(err.Error(), path) ||
		!strings.Contains(err.Error(), filepath.Join(dir, "new")+" back") {
		t.Errorf("directories are in the way: %v", err)
	}
}

// A file system without links, as the kernel's answer says it, gets a copy.
func TestKeepACopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := copyFile(path, path+".copy", info); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, filepath.Dir(path)); got[path] != got[path+".copy"] {
		t.Errorf("%q", got)
	}
}
