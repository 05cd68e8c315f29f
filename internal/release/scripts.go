package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// script is what others have written for browsers and the box's page has in it, as
// gateway/page/assets/libraries.json lists it.
type script struct {
	Name    string // of npm
	Version string
	Licence string // the file with its text
	Files   []struct {
		Name   string
		SHA256 string
	}
}

// scripts are all, and the directory with their files. Each file has the sum that is
// written of it.
func scripts() ([]script, string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, "", fmt.Errorf("finding the source: %w: run this within it", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "gateway", "page", "assets")
	text, err := os.ReadFile(filepath.Join(dir, "libraries.json"))
	if err != nil {
		return nil, "", err
	}
	var list []script
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, "", fmt.Errorf("reading libraries.json: %w", err)
	}
	for _, s := range list {
		err = errors.Join(err, s.check(dir))
	}
	return list, dir, err
}

// check compares the files with their sums.
func (s script) check(dir string) error {
	if len(s.Files) == 0 {
		return fmt.Errorf("%s has no files in libraries.json", s.Name)
	}
	for _, f := range s.Files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != f.SHA256 {
			return fmt.Errorf("%s is not that of %s %s: take it from the package of npm, with its sum", f.Name, s.Name, s.Version)
		}
	}
	return nil
}

// component is the script in a bill of materials, with the sum of its first file.
func (s script) component() component {
	purl := "pkg:npm/" + s.Name + "@" + s.Version
	return component{Ref: purl, Type: "library", Name: s.Name, Version: s.Version, PURL: purl,
		Hashes: []hashSum{{"SHA-256", s.Files[0].SHA256}}}
}

// scriptNotices prints the licences of the scripts.
func scriptNotices(out io.Writer) error {
	list, dir, err := scripts()
	for _, s := range list {
		var text []byte
		if err == nil {
			text, err = os.ReadFile(filepath.Join(dir, s.Licence))
		}
		if err == nil {
			_, err = fmt.Fprintf(out, "=== %s %s: %s\n\n%s\n\n", s.Name, s.Version, s.Licence, strings.TrimSpace(string(text)))
		}
	}
	return err
}
