package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Each file that the documentation of the structure leads to is there.
func TestFilesOfTheWalks(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	files := regexp.MustCompile("`((?:cmd|gateway|rules)/[a-z0-9_/]+\\.go)`").FindAllStringSubmatch(string(text), -1)
	if len(files) < 40 {
		t.Errorf("only %d files are named", len(files))
	}
	for _, f := range files {
		if _, err := os.Stat(filepath.Join("..", "..", f[1])); err != nil {
			t.Errorf("%s is named, and is not there", f[1])
		}
	}
}
