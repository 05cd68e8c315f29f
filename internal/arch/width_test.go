package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxWidth is the columns of a line of code; a tab takes four of them. maxLines is what a
// file may have: a longer one is about two things.
const (
	maxWidth = 140
	maxLines = 500
)

func TestLinesAreShort(t *testing.T) {
	root, files := filepath.Join("..", ".."), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		files++
		if n := strings.Count(string(text), "\n"); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: split it", rel, n, maxLines)
		}
		for _, n := range wideLines(string(text)) {
			t.Errorf("%s:%d is wider than %d columns", rel, n, maxWidth)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 500 {
		t.Errorf("only %d files were read: is the test looking at the tree?", files)
	}
}

func TestWideLines(t *testing.T) {
	text := "package x\n" + strings.Repeat("ä", maxWidth) + "\n" + "\t" + strings.Repeat("x", maxWidth-3) + "\n\t}\n"
	if got := wideLines(text); len(got) != 1 || got[0] != 3 {
		t.Errorf("lines %v, not 3 alone", got)
	}
}

// wideLines lists the numbers of a text's lines that are too wide, from 1.
func wideLines(text string) (wide []int) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n"))+3*strings.Count(line, "\t") > maxWidth {
			wide = append(wide, n)
		}
	}
	return wide
}
