package untrusted

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// soon fails the test if do waits for anybody.
func soon(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { do(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s waits", what)
	}
}

func made(t *testing.T) Tree {
	t.Helper()
	dir := t.TempDir()
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "d/e"), 0o700), os.WriteFile(filepath.Join(dir, "d/f"), []byte("text"), 0o600),
		unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600), os.Symlink("/etc", filepath.Join(dir, "out")),
		os.WriteFile(filepath.Join(dir, "most"), make([]byte, Largest), 0o600),
		os.WriteFile(filepath.Join(dir, "more"), make([]byte, Largest+1), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return Tree{Root: root}
}

func TestTree(t *testing.T) {
	tree := made(t)
	if text, err := fs.ReadFile(tree, "d/f"); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := fs.ReadFile(tree, "most"); err != nil || len(text) != Largest {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	var seen []string
	err := fs.WalkDir(tree, ".", func(path string, _ fs.DirEntry, err error) error {
		seen = append(seen, path)
		return err
	})
	if want := []string{".", "d", "d/e", "d/f", "more", "most", "out", "pipe"}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("%v, %v", seen, err)
	}
	if found, err := fs.Glob(tree, "d/*"); err != nil || !slices.Equal(found, []string{"d/e", "d/f"}) {
		t.Errorf("%v, %v", found, err)
	}
	for _, name := range []string{"../etc/hostname", "out/hostname", "/etc/hostname"} {
		if text, err := fs.ReadFile(tree, name); err == nil {
			t.Errorf("%s: %q", name, text)
		}
	}
}

// TestOthers: nothing that lies in place of a file or a directory has who asks wait, or read
// without end.
func TestOthers(t *testing.T) {
	tree := made(t)
	for _, name := range []string{"pipe", "d", "more"} {
		soon(t, "reading "+name, func() {
			if _, err := fs.ReadFile(tree, name); !errors.Is(err, ErrOther) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for _, name := range []string{"pipe", "d/f"} {
		soon(t, "listing "+name, func() {
			if _, err := fs.ReadDir(tree, name); !errors.Is(err, unix.ENOTDIR) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	soon(t, "opening a pipe", func() {
		if f, err := tree.Open("pipe"); err == nil {
			f.Close()
		}
	})
}

func TestOpenRoot(t *testing.T) {
	tree := made(t)
	root, err := tree.OpenRoot("d")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if text, err := root.ReadFile("f"); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := root.Stat("../pipe"); err == nil {
		t.Error("it leads out")
	}
	for _, name := range []string{"pipe", "out", "most", "../d"} {
		soon(t, name, func() {
			if root, err := tree.OpenRoot(name); err == nil {
				t.Errorf("%s is a directory in the tree", name)
				root.Close()
			}
		})
	}
}

// A directory in which somebody has made files without end is not read to its end.
func TestManyEntries(t *testing.T) {
	tree := made(t)
	for most, want := range map[int]error{1: ErrMany, 4: ErrMany, 5: nil, 0: nil} { // d, more, most, out, pipe
		tree.Most = most
		if list, err := tree.ReadDir("."); !errors.Is(err, want) || want == nil && len(list) != 5 {
			t.Errorf("at most %d: %d entries, %v", most, len(list), err)
		}
	}
}

// Who removes what a pattern finds is told when not all could be found.
func TestGlobFailsWithItsDirectory(t *testing.T) {
	tree := made(t)
	if found, err := fs.Glob(tree, "nothing/*"); err != nil || len(found) > 0 {
		t.Errorf("of a directory that is not there: %v, %v", found, err)
	}
	if found, err := fs.Glob(tree, "most/*"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("of a file: %v, %v", found, err)
	}
	tree.Most = 1
	if found, err := fs.Glob(tree, "d/f*"); !errors.Is(err, ErrMany) {
		t.Errorf("of one with too much in it: %v, %v", found, err)
	}
	tree.Most = 2
	if found, err := fs.Glob(tree, "d/f*"); err != nil || !slices.Equal(found, []string{"d/f"}) {
		t.Errorf("of one that is full: %v, %v", found, err)
	}
}
