package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// licence is what a file is called whose text has to go with a program.
var licence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|authors|copyright)(\..*|-.*)?$`)

// printNotices prints the licences of Go's library, of all modules that a program
// was linked with, and of the scripts in it: they ask that their texts go with it.
func printNotices(out io.Writer, args []string) error {
	info, err := buildinfo.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("finding the modules of %s: %w", args[0], err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("finding Go's own licence: %w", err)
	}
	if err := notices(out, "Go's library, "+info.GoVersion, strings.TrimSpace(string(root))); err != nil {
		return err
	}
	for _, m := range info.Deps {
		dir, err := moduleDir(m)
		if err == nil {
			err = notices(out, m.Path+" "+m.Version, dir)
		}
		if err != nil {
			return err
		}
	}
	return scriptNotices(out)
}

// moduleDir is where Go keeps the module's files.
func moduleDir(m *debug.Module) (string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", m.Path).Output()
	if text := strings.TrimSpace(string(dir)); err == nil && text != "" {
		return text, nil
	}
	return "", errors.Join(fmt.Errorf("finding the files of %s: run `go mod download` first", m.Path), err)
}

// notices prints the licences in a directory below a heading.
func notices(out io.Writer, of, dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, f := range files {
		if !f.Type().IsRegular() || !licence.MatchString(f.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		found = true
		if _, err := fmt.Fprintf(out, "=== %s: %s\n\n%s\n\n", of, f.Name(), strings.TrimSpace(string(text))); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s: nobody may pass it on", of, dir)
	}
	return nil
}
